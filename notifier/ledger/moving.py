"""Move many rows that no worker holds, each for a reason of its own, with one look at them and one write."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.ledger.rows import Why
from notifier.ledger.transitions import AT_REST, ForbiddenMove, check_edge
from notifier.models import Notification, Status

_N = Notification
_TABLE = cast("Any", Notification.__table__)


class RowMove(NamedTuple):
    """A move of one row to a status at rest, from any of `sources`."""

    pk: int
    sources: tuple[Status, ...]
    to: Status
    why: Why


def move_all(session: Session, moves: Sequence[RowMove], *, now: datetime) -> list[Status | None]:
    """Move these rows, each once. Return the status that each has left, None if its status does not allow the move.

    The rows are locked in the order of their keys. The caller commits.
    """
    for each in moves:
        _check(each)
    if not moves:
        return []
    mine = among(session, _N.id, [each.pk for each in moves])
    query = select(_N.id, _N.status).where(mine).order_by(_N.id).with_for_update(key_share=True)
    present = {pk: Status(status) for pk, status in session.execute(query)}
    left = [status if (status := present.get(each.pk)) in each.sources else None for each in moves]
    rows = [
        {"b_pk": each.pk, "b_source": source, "b_to": each.to, "b_at": now}
        | {"b_code": each.why["reason_code"], "b_reason": each.why["reason"]}
        for each, source in zip(moves, left, strict=True)
        if source is not None
    ]
    if rows:
        session.connection().execute(_MOVE, rows)
    return left


def _check(move: RowMove) -> None:
    if move.to not in AT_REST or Status.sending in move.sources:
        raise ForbiddenMove("a row that a worker holds, or will hold, is not moved like this")
    for source in move.sources:
        check_edge(source, move.to)


_MOVE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("b_pk"), _TABLE.c.status == bindparam("b_source"))
    .values(
        status=bindparam("b_to"),
        reason_code=bindparam("b_code"),
        reason=bindparam("b_reason"),
        settled_at=bindparam("b_at"),
    )
)
