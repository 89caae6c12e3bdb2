"""Counts of waiting and uncertain emails, from queries that indexes answer."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.models import Notification, Status

#: Number at which a count stops: "more than".
ENOUGH = 100_000

_N = Notification


@dataclass(frozen=True, slots=True)
class Now:
    """The ledger at this moment. Counts stop at ENOUGH."""

    waiting: int
    due: int
    sending: int
    unknown: int
    #: Seconds that the oldest due email has been waiting.
    oldest: float | None


def now_in(session: Session, now: datetime) -> Now:
    """Return how many emails wait, are due, are being sent or are uncertain."""
    due = (_N.status == Status.pending, _N.enqueue_at <= now, _N.next_attempt_at <= now)
    oldest = session.scalar(select(func.min(_N.next_attempt_at)).where(*due))
    return Now(
        waiting=_count(session, _N.status == Status.pending),
        due=_count(session, *due),
        sending=_count(session, _N.status == Status.sending),
        unknown=_count(session, _N.status == Status.unknown),
        oldest=None if oldest is None else (now - oldest).total_seconds(),
    )


def _count(session: Session, *where: object) -> int:
    some = select(_N.id).where(*where).limit(ENOUGH).subquery()  # type: ignore[arg-type]
    return session.scalar(select(func.count()).select_from(some)) or 0
