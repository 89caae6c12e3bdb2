"""Settling: how tries end. A batch is settled in few statements, each row by its own outcome."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert
from sqlalchemy.orm import Session

from notifier.ledger.edges import check_edge
from notifier.ledger.statements import Ended, end_tries
from notifier.models import Attempt, Status


class Reply(NamedTuple):
    """What a mail server (or its silence) said, as the row keeps it."""

    decision: str
    phase: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str | None = None


class Settlement(NamedTuple):
    """The end of one try: where the row goes, and what it learns."""

    pk: int
    claim: int
    to: Status
    attempts: int
    unknowns: int
    #: Why (ReasonCode), and the sentence for people.
    reason_code: str | None = None
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
    for to in {end.to for end in ends}:
        check_edge(Status.sending, to)
    ended = 0
    for waiting in (False, True):
        some = [end for end in ends if (end.to is Status.pending) is waiting]
        if some:
            ended += end_tries(session.connection(), [_row(end, now) for end in some], now, waiting=waiting)
    _keep_attempts(session, ends, now)
    return ended


def _row(end: Settlement, now: datetime) -> Ended:
    reply = end.reply or _SILENCE
    due = (end.due or now) if end.to is Status.pending else None
    return Ended(
        end.pk,
        end.claim,
        end.to.value,
        end.attempts,
        end.unknowns,
        end.reason_code,
        end.reason,
        end.sent_at,
        reply.phase,
        reply.code,
        reply.enhanced,
        reply.text,
        end.message_id,
        end.template_version,
        end.transport,
        due,
        end.ring_at or due,
    )


_SILENCE = Reply("")


def _keep_attempts(session: Session, ends: Sequence[Settlement], now: datetime) -> None:
    """A try that did not simply succeed is kept, so that the row can be explained."""
    rows = [
        {"notification_id": end.pk, "claim": end.claim, "at": now} | end.reply._asdict()
        for end in ends
        if end.to is not Status.sent and end.reply is not None
    ]
    if rows:
        session.execute(insert(Attempt), rows)
