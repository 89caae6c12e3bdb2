"""Move many rows that no worker holds, each for a reason of its own, with one look at them and one write."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Update, bindparam, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.database.listed import ROWS, as_text, rows_of
from notifier.ledger.rows import Why
from notifier.ledger.telling import AtRest, tell
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
        {"pk": each.pk, "source": source.value, "status": each.to.value, "settled_at": now, **each.why}
        for each, source in zip(moves, left, strict=True)
        if source is not None
    ]
    if rows and session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_TOGETHER, {ROWS: as_text(rows)})
    elif rows:
        session.connection().execute(_EACH, [{f"b_{name}": value for name, value in row.items()} for row in rows])
    moved = [each for each, source in zip(moves, left, strict=True) if source is not None]
    tell(session, [AtRest(each.pk, each.to, each.why["reason_code"]) for each in moved], now=now)
    return left


def _check(move: RowMove) -> None:
    if move.to not in AT_REST or Status.sending in move.sources:
        raise ForbiddenMove("a row that a worker holds, or will hold, is not moved like this")
    for source in move.sources:
        check_edge(source, move.to)


def _moved(value: Callable[[str], ColumnElement[Any]]) -> Update:
    """Build the statement from the expressions of a row's values."""
    values = {name: value(name) for name in _WRITTEN}
    return update(_TABLE).where(_TABLE.c.id == value("pk"), _TABLE.c.status == value("source")).values(**values)


_WRITTEN = ("status", "reason_code", "reason", "settled_at")
_TYPES = {"pk": _TABLE.c.id.type, "source": _TABLE.c.status.type} | {name: _TABLE.c[name].type for name in _WRITTEN}
#: One statement for all rows on Postgres, and one for each on SQLite, where a round trip costs nothing.
_TOGETHER = _moved(rows_of(_TYPES).c.__getitem__)
_EACH = _moved(lambda name: bindparam(f"b_{name}", type_=_TYPES[name]))
