"""The score of an address: a series of soft bounces without an accepted email in between suppresses it for a while."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, distinct, func, select
from sqlalchemy.orm import Session

from notifier.bounces.reasons import ABOUT_MAILBOX
from notifier.feedback.matching import Matched
from notifier.models import Feedback, Notification, Status

#: Emails in a row that must have bounced, and the least time between the first report and the last.
LEAST, OVER = 3, timedelta(hours=72)
#: What is older does not count, and a suppression by a series ends after the same time: full mailboxes get emptied.
DECAY = timedelta(days=30)
#: Reports of one address that are looked at.
_MOST = 50

_F, _N = Feedback, Notification


def complete(session: Session, emails: Sequence[Matched], now: datetime) -> set[int]:
    """Return the keys of those of these emails whose address has a complete series. They have different addresses."""
    keys = {each.identity_key: each for each in emails}
    if not keys:
        return set()
    # Most addresses have one report: a count for all of them leaves few to look at.
    query = (
        select(_F.identity_key)
        .where(_F.identity_key.in_(keys), *_counts(now))
        .group_by(_F.identity_key)
        .having(func.count(distinct(_F.notification_id)) >= LEAST)
    )
    several = [keys[key] for key in session.scalars(query) if key is not None]
    return {each.pk for each in several if _is_complete(session, each, now)}


def _counts(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _F.reason.in_([each.value for each in ABOUT_MAILBOX]), _F.happened_at > now - DECAY


def _is_complete(session: Session, email: Matched, now: datetime) -> bool:
    """Return whether the reports on this email's address make a series. That on `email` itself is stored already.

    An email to the address that was sent later and did not come back ends the series.
    """
    query = (
        select(_F.notification_id, _F.happened_at, _N.sent_at)
        .join(_N, _N.id == _F.notification_id)
        .where(_F.identity_key == email.identity_key, ~_N.redirected, *_counts(now))
        .order_by(_F.id.desc())
        .limit(_MOST)
    )
    reports = session.execute(query).all()
    accepted = _last_accepted(session, email)
    since = [each for each in reports if accepted is None or each.sent_at is None or each.sent_at > accepted]
    if len({each.notification_id for each in since}) < LEAST:
        return False
    moments: list[datetime] = [each.happened_at for each in since]
    return max(moments) - min(moments) >= OVER


def _last_accepted(session: Session, email: Matched) -> datetime | None:
    """Return when the newest email to this address was sent that did not come back."""
    if email.user_id is None:
        return None
    mine = (_N.user_id == email.user_id, _N.recipient == email.recipient, ~_N.redirected)
    query = select(_N.sent_at).where(*mine, _N.status == Status.sent)
    found: datetime | None = session.scalar(query.order_by(_N.sent_at.desc()).limit(1))
    return found
