"""Counts of waiting and uncertain emails, from queries that indexes answer."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.models import Notification, PaceState, ProviderHold, Status, TransportState
from notifier.reasons import ReasonCode

#: Number at which a count stops: "more than".
ENOUGH = 100_000

_N = Notification


@dataclass(frozen=True, slots=True)
class Now:
    """The ledger at this moment. Counts stop at ENOUGH."""

    #: All that are to be sent: overdue, held and scheduled ones.
    waiting: int
    #: Overdue: they could go now.
    due: int
    #: Deferred because a transport, a provider or a domain takes none, or takes them slowly.
    held: int
    sending: int
    unknown: int
    #: Seconds that the oldest due email has been waiting.
    oldest: float | None

    @property
    def scheduled(self) -> int:
        """Emails that wait for their time."""
        return max(0, self.waiting - self.due - self.held)

    @property
    def is_at_least(self) -> bool:
        """Whether there may be more than these numbers."""
        return self.waiting >= ENOUGH


#: Why an email that is not due waits for a server, and not for its time.
HELD = tuple(
    code.value
    for code in (
        ReasonCode.transport_held, ReasonCode.provider_held, ReasonCode.transport_slowed, ReasonCode.provider_slowed,
        ReasonCode.domain_slowed,
    )
)  # fmt: skip


def now_in(session: Session, now: datetime) -> Now:
    """Return how many emails wait, are due, held, being sent or uncertain."""
    due = (_N.status == Status.pending, _N.enqueue_at <= now, _N.next_attempt_at <= now)
    oldest = session.scalar(select(func.min(_N.next_attempt_at)).where(*due))
    return Now(
        waiting=_count(session, _N.status == Status.pending),
        due=_count(session, *due),
        held=_held(session, now),
        sending=_count(session, _N.status == Status.sending),
        unknown=_count(session, _N.status == Status.unknown),
        oldest=None if oldest is None else (now - oldest).total_seconds(),
    )


def _held(session: Session, now: datetime) -> int:
    """Count held rows among the first ENOUGH waiting ones, and only while there is a hold: no index knows them."""
    reasons = (
        select(TransportState.name).where(TransportState.held_since.is_not(None)),
        select(ProviderHold.key),
        select(PaceState.key),
    )
    if not any(session.execute(query.limit(1)).first() for query in reasons):
        return 0
    waiting = select(_N.reason_code, _N.next_attempt_at).where(_N.status == Status.pending).limit(ENOUGH).subquery()
    held = (waiting.c.reason_code.in_(HELD), waiting.c.next_attempt_at > now)
    return session.scalar(select(func.count()).select_from(waiting).where(*held)) or 0


def _count(session: Session, *where: object) -> int:
    some = select(_N.id).where(*where).limit(ENOUGH).subquery()  # type: ignore[arg-type]
    return session.scalar(select(func.count()).select_from(some)) or 0
