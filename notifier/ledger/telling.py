"""Tell other applications about emails that came to rest."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.events import EventType, record
from notifier.models import Notification, Status

_N = Notification

#: The event of each status at rest.
_TYPES = {
    Status.sent: EventType.notification_sent,
    Status.failed: EventType.notification_failed,
    Status.bounced: EventType.notification_bounced,
    Status.complained: EventType.notification_complained,
    Status.unknown: EventType.notification_unknown,
    Status.skipped: EventType.notification_skipped,
    Status.suppressed: EventType.notification_skipped,
    Status.expired: EventType.notification_skipped,
    Status.cancelled: EventType.notification_skipped,
}


class AtRest(NamedTuple):
    """An email that has come to rest."""

    pk: int
    to: Status
    reason_code: str | None
    #: The claim under which it was settled; None if no worker held it.
    claim: int | None = None


def tell(session: Session, emails: Iterable[AtRest], *, now: datetime) -> None:
    """Record that these emails have come to rest. Other statuses are left out. The caller commits."""
    record(
        session,
        (
            (_TYPES[each.to], {"id": each.pk, "status": each.to.value, "reason_code": each.reason_code})
            for each in emails
            if each.to in _TYPES
        ),
        at=now,
    )


def settled_now(session: Session, emails: Sequence[AtRest], *, now: datetime) -> list[AtRest]:
    """Return those of these emails whose claim was still theirs: they were settled at `now`.

    Nearly always all were, which the caller knows from the count, so this query is rare.
    """
    query = select(_N.id, _N.claims, _N.status).where(among(session, _N.id, [each.pk for each in emails]))
    found = {(pk, claims, status) for pk, claims, status in session.execute(query.where(_N.settled_at == now))}
    return [each for each in emails if (each.pk, each.claim, each.to.value) in found]


def uncertain(session: Session, pks: Sequence[int]) -> set[int]:
    """Return those of these rows whose attempts counted as unknown until now, and lock them."""
    late = _N.status.in_((Status.unknown, Status.pending))
    query = select(_N.id).where(among(session, _N.id, pks), late).order_by(_N.id)
    return set(session.scalars(query.with_for_update(key_share=True)))
