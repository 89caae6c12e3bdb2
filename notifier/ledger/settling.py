"""Settling: how tries end. A batch is settled in few statements, each row by its own outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Update, bindparam, case, func, insert, update
from sqlalchemy.orm import Session

from notifier.ledger.edges import AT_REST, check_edge
from notifier.models import Attempt, Notification, Status


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail server (or its silence) said, as the row keeps it."""

    decision: str
    phase: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The end of one try: where the row goes, and what it learns."""

    pk: int
    claim: int
    to: Status
    attempts: int
    unknowns: int
    reason: str | None = None
    #: When a row that waits again is due; None for one that comes to rest.
    due: datetime | None = None
    #: When the sweep rings for it; when it is due, unless something else is said.
    ring_at: datetime | None = None
    sent_at: datetime | None = None
    message_id: str | None = None
    template_version: str | None = None
    transport: str | None = None
    reply: Reply | None = None


_N = Notification
#: Columns that a settle replaces only where it knows something.
_FACTS = ("message_id", "template_version", "transport")


def settle(session: Session, ends: Sequence[Settlement], *, now: datetime) -> int:
    """End these tries; a claim that is no longer its row's changes nothing. Returns how many were ended.

    The caller commits.
    """
    for end in ends:
        check_edge(Status.sending, end.to)
    ended = 0
    for waiting in (False, True):
        group = [end for end in ends if (end.to is Status.pending) is waiting]
        if group:
            statement = _WAIT if waiting else _REST
            result = session.connection().execute(statement, [_row(end, now) for end in group])
            ended += cast("CursorResult[Any]", result).rowcount
    _keep_attempts(session, ends, now)
    return ended


def _statement(**extra: Any) -> Update:
    values: dict[str, Any] = {
        "status": bindparam("b_to"),
        "lease_until": None,
        "claimed_by": None,
        "attempts": bindparam("b_attempts"),
        "unknowns": bindparam("b_unknowns"),
        "reason": bindparam("b_reason"),
        "sent_at": bindparam("b_sent_at"),
    } | {f"last_{name}": _said(name) for name in ("phase", "code", "enhanced", "text")}
    return (
        update(_N.__table__)  # type: ignore[arg-type]
        .where(_N.id == bindparam("b_pk"), _N.status == Status.sending, _N.claims == bindparam("b_claim"))
        .values(values | {name: _known(name) for name in _FACTS} | extra)
    )


def _known(name: str) -> Any:
    """The new value where there is one, else what the row has."""
    column = _N.__table__.c[name]
    return func.coalesce(bindparam(f"b_{name}", type_=column.type), column)


def _said(name: str) -> Any:
    """What the server said in this try; where it was not asked, what it said last stays."""
    column = _N.__table__.c[f"last_{name}"]
    asked = bindparam("b_phase", type_=_N.__table__.c.last_phase.type).is_not(None)
    return case((asked, bindparam(f"b_{name}", type_=column.type)), else_=column)


_REST = _statement(settled_at=bindparam("b_now"))
_WAIT = _statement(next_attempt_at=bindparam("b_due"), ring_at=bindparam("b_ring_at"))


def _row(end: Settlement, now: datetime) -> dict[str, Any]:
    reply = end.reply or _SILENCE
    row = {
        "b_pk": end.pk,
        "b_claim": end.claim,
        "b_to": end.to.value,
        "b_attempts": end.attempts,
        "b_unknowns": end.unknowns,
        "b_reason": end.reason,
        "b_sent_at": end.sent_at,
        "b_phase": reply.phase,
        "b_code": reply.code,
        "b_enhanced": reply.enhanced,
        "b_text": reply.text,
    }
    for name in _FACTS:
        row[f"b_{name}"] = getattr(end, name)
    if end.to in AT_REST:
        return row | {"b_now": now}
    return row | {"b_due": end.due or now, "b_ring_at": end.ring_at or end.due or now}


_SILENCE = Reply("")


def _keep_attempts(session: Session, ends: Sequence[Settlement], now: datetime) -> None:
    """A try that did not simply succeed is kept, so that the row can be explained."""
    rows = [
        {"notification_id": end.pk, "claim": end.claim, "at": now}
        | {item.name: getattr(end.reply, item.name) for item in fields(Reply)}
        for end in ends
        if end.reply is not None and end.to is not Status.sent
    ]
    if rows:
        session.execute(insert(Attempt), rows)
