"""The line of the health report about calls of other applications that no worker makes."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from notifier import english
from notifier.models import UNDELIVERED, WebhookDelivery, WebhookEndpoint
from notifier.observability.check import HealthCheck

#: Time after which an event that is due has waited too long. A worker that reads the queue takes it within seconds.
LATE_CALL = timedelta(minutes=2)

#: Number of events at which counting stops: "more than".
ENOUGH = 10_000

_E, _D = WebhookEndpoint, WebhookDelivery


def webhook_check(session: Session, now: datetime) -> list[HealthCheck]:
    """Return a failed check if events wait and no worker calls their endpoint, else none.

    Events of an endpoint that fails, or that a worker is at (`busy_until`), wait for that endpoint, as its page shows.
    """
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
