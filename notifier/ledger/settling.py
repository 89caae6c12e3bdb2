"""Settling: how tries end. A batch is settled in few statements, each row by its own outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from notifier.ledger.edges import check_edge
from notifier.ledger.statements import end_tries
from notifier.models import Attempt, Status


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


def settle(session: Session, ends: Sequence[Settlement], *, now: datetime) -> int:
    """End these tries; a claim that is no longer its row's changes nothing. Returns how many were ended.

    The caller commits.
    """
    for end in ends:
        check_edge(Status.sending, end.to)
    ended = 0
    for waiting in (False, True):
        rows = [_row(end, now) for end in ends if (end.to is Status.pending) is waiting]
        if rows:
            ended += end_tries(session.connection(), rows, waiting=waiting)
    _keep_attempts(session, ends, now)
    return ended


def _row(end: Settlement, now: datetime) -> dict[str, Any]:
    reply = end.reply or _SILENCE
    due = end.due or now
    return {
        "pk": end.pk,
        "claim": end.claim,
        "to": end.to.value,
        "attempts": end.attempts,
        "unknowns": end.unknowns,
        "reason": end.reason,
        "sent_at": end.sent_at,
        "phase": reply.phase,
        "code": reply.code,
        "enhanced": reply.enhanced,
        "text": reply.text,
        "message_id": end.message_id,
        "template_version": end.template_version,
        "transport": end.transport,
        "settled_at": now,
        "due": due,
        "ring_at": end.ring_at or due,
    }


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
