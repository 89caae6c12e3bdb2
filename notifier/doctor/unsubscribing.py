"""Measure how long emails still went out after people had unsubscribed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from notifier import clock
from notifier.consent.preferences import REFUSABLE
from notifier.emails import EmailKind
from notifier.english import duration
from notifier.models import Consent, Notification
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.report import ok, warn, wrong

LATENCY = Rule(Group.running, "unsubscribe.latency", "Gmail's and Yahoo's sender guidelines: within 48 hours")

#: How far back the ledger is read, the providers' limit, and the time that an email may already be on its way.
PERIOD, LIMIT, ON_ITS_WAY = timedelta(days=30), timedelta(hours=48), timedelta(minutes=10)


def check(session: Session, kinds: Mapping[str, EmailKind]) -> Diagnosis:
    """Return the longest time from an opt-out to an email of its category that still went out."""
    name = "Unsubscribe latency"
    longest, emails = _late(session, kinds)
    if not emails:
        return ok(LATENCY, name, "no email was sent after an opt-out in 30 days")
    said = f"{emails:,} sent up to {duration(longest.total_seconds())} after their recipients had unsubscribed"
    if longest > LIMIT:
        cure = "find them with notifier why; end the workers of older versions, and check the clocks"
        return wrong(LATENCY, name, said, cure)
    if longest > ON_ITS_WAY:
        return warn(LATENCY, name, said, "see whether the workers are behind, or a clock is wrong: notifier health")
    return ok(LATENCY, name, f"{said}; they were on their way")


def _late(session: Session, kinds: Mapping[str, EmailKind]) -> tuple[timedelta, int]:
    later = aliased(Consent)
    since = clock.now() - PERIOD
    longest, emails = timedelta(), 0
    for category in REFUSABLE:
        names = [name for name, kind in kinds.items() if kind.category == category]
        revoked = exists().where(
            later.user_id == Consent.user_id,
            later.category == category,
            later.id > Consent.id,
            later.at <= Notification.sent_at,
        )
        query = (
            select(Notification.sent_at, Consent.at)
            .join(Consent, Consent.user_id == Notification.user_id)
            .where(Consent.category == category, Consent.wanted.is_(False), Consent.at >= since)
            .where(Notification.kind.in_(names), Notification.sent_at > Consent.at, ~revoked)
        )
        for sent_at, asked_at in session.execute(query):
            longest, emails = max(longest, _span(sent_at, asked_at)), emails + 1
    return longest, emails


def _span(sent_at: datetime | None, asked_at: datetime) -> timedelta:
    return timedelta() if sent_at is None else sent_at - asked_at
