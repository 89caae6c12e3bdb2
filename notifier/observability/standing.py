"""What waits, what is unknown: questions to the ledger that indexes answer."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.models import Notification, Status

#: Beyond so many a count stops: "more than".
ENOUGH = 100_000

_N = Notification


@dataclass(frozen=True, slots=True)
class Now:
    """The ledger at this moment. Counts stop at ENOUGH."""

    waiting: int
    due: int
    sending: int
    unknown: int
    #: Seconds that the oldest due mail waits.
    oldest: float | None


def now_in(session: Session, now: datetime) -> Now:
    """What waits, what is on its way, and what nobody can know."""
    due = (_N.status == Status.pending, _N.ring_at <= now, _N.next_attempt_at <= now)
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
