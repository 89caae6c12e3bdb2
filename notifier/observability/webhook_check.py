"""The lines of the health report about calls of other applications: those that no worker makes, and those that fail."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from notifier import english
from notifier.models import UNDELIVERED, WebhookDelivery, WebhookEndpoint
from notifier.observability.check import HealthCheck

#: Time after which an event that is due has waited too long. A worker that reads the queue takes it within seconds.
LATE_CALL = timedelta(minutes=2)

#: Time for which an endpoint takes nothing until it is worth a look: by then it has failed three times.
FAILING = timedelta(minutes=10)

#: Endpoints that are named, the one that has failed longest first.
MOST_ENDPOINTS = 10

#: Number of events at which counting stops: "more than".
ENOUGH = 10_000

_E, _D = WebhookEndpoint, WebhookDelivery


def webhook_check(session: Session, now: datetime) -> list[HealthCheck]:
    """Return a failed check if events wait and no worker calls their endpoint, and one for each endpoint that fails."""
    return [*_uncalled(session, now), *_failing(session, now)]


def _uncalled(session: Session, now: datetime) -> list[HealthCheck]:
    """Leave out endpoints that fail, which have a line of their own, or that a worker is at (`busy_until`)."""
    idle = (_E.disabled_at.is_(None), _E.failures == 0, (_E.busy_until.is_(None)) | (_E.busy_until < now))
    late = (
        select(_D.next_attempt_at)
        .join(_E, _E.id == _D.endpoint_id)
        .where(text(UNDELIVERED), *idle, _D.next_attempt_at < now - LATE_CALL)
        .limit(ENOUGH)
        .subquery()
    )
    number, oldest = session.execute(select(func.count(), func.min(late.c.next_attempt_at))).one()
    if not number:
        return []
    more = "more than " if number >= ENOUGH else ""
    events = "event has" if number == 1 else "events have"
    detail = (
        f"{more}{number:,} {events} waited up to {english.duration(now - oldest)} to be sent to other applications: "
        "does a worker read notifier.webhooks?"
    )
    figures = {"waiting": number, "oldest_seconds": round((now - oldest).total_seconds())}
    return [HealthCheck("webhook calls", ok=False, detail=detail, figures=figures, since=oldest)]


def _failing(session: Session, now: datetime) -> list[HealthCheck]:
    """Name the host alone: the rest of the address may hold a secret."""
    late = select(_E).where(_E.disabled_at.is_(None), _E.failing_since < now - FAILING)
    return [
        HealthCheck(
            f"endpoint {row.id}",
            ok=False,
            detail=f"{urlsplit(row.url).hostname} has taken no event for {english.duration(now - since)}: "
            f"{row.failures:,} tries failed; see the page of the endpoint, and: notifier webhooks test {row.id}",
            figures={"failures": row.failures},
            since=since,
        )
        for row in session.scalars(late.order_by(_E.failing_since).limit(MOST_ENDPOINTS))
        if (since := row.failing_since) is not None
    ]
