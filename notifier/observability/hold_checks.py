"""The lines of the health report about holds: transports, providers and domains that take no email of ours."""

from datetime import datetime

from sqlalchemy.orm import Session

from notifier import english
from notifier.observability.check import HealthCheck
from notifier.observability.held import Hold, HoldScope, holds


def hold_checks(session: Session, now: datetime) -> list[HealthCheck]:
    """Return a check for each hold. A single domain, or a request to slow down, is reported but does not fail."""
    return [_check(hold, now) for hold in holds(session, now) if not hold.is_slowdown]


def _check(hold: Hold, now: datetime) -> HealthCheck:
    assert hold.since is not None  # only requests to slow down have none
    when = f"{hold.since:%Y-%m-%d %H:%M:%S} UTC ({english.duration(now - hold.since)})"
    probe = "" if hold.until is None else f"; next probe at {hold.until:%Y-%m-%d %H:%M:%S} UTC"
    figures = {"scope": str(hold.scope), "transport": hold.transport, "waiting": hold.waiting}
    if hold.scope is HoldScope.transport:
        detail = f"held since {when}: {hold.said}{probe}"
        return HealthCheck(f"transport {hold.transport}", ok=False, detail=detail, figures=figures, since=hold.since)
    page = f"; see {hold.page}" if hold.page else ""
    detail = (
        f"refuses our emails through {hold.transport} since {when}: {hold.said}; waiting: {hold.count}{probe}{page}"
    )
    ok = hold.scope is HoldScope.domain
    return HealthCheck(f"provider {hold.name}", ok=ok, detail=detail, figures=figures, since=hold.since)
