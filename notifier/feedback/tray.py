"""The operators' tray: what came back and names no email of ours for certain, until a person decides."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, text, update
from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.feedback.events import believed, of_row
from notifier.feedback.intake import Intake
from notifier.feedback.matching import OPERATOR, by_key
from notifier.feedback.scopes import scopes_of
from notifier.feedback.storing import expected
from notifier.mail.providers import domain_of
from notifier.models import IN_TRAY, Effect, Feedback, Notification, Status, User

#: Statuses of emails that may have left us: what came back can be about no other.
MAY_HAVE_LEFT = frozenset({Status.sent, Status.unknown, Status.failed, Status.bounced, Status.complained})


def assign(session: Session, intake: Intake, feedback_id: int, notification_id: int) -> Effect | None:
    """Let a waiting event take effect on the email that an operator names. Return the effect.

    None: the event no longer waits, or there is no such email, or it has not left us. The caller commits and adds to
    the audit log.
    """
    row, email = _waiting(session, feedback_id), by_key(session, notification_id)
    if row is None or email is None or email.status not in MAY_HAVE_LEFT:
        return None
    row.notification_id, row.matched_by, row.recipient = email.pk, OPERATOR, None
    if email.recipient != ERASED:
        domain = domain_of(email.recipient)
        row.identity_key, row.provider = email.identity_key, scopes_of(session, {domain})[domain]
    now = clock.now()
    event = believed(of_row(row), now, email.created_at)
    row.happened_at = event.happened_at
    session.flush()
    return intake.apply(session, row.id, email, event, now)


def foresee(session: Session, row: Feedback, notification_id: int) -> Effect:
    """Return what would follow if this email were named; a series may suppress the address instead of counting."""
    return expected(of_row(row), by_key(session, notification_id))


def dismiss(session: Session, feedback_id: int) -> bool:
    """Let a waiting event have no effect. Return False if it no longer waits.

    The row stays, so that the same event does not come back. The caller commits and adds to the audit log.
    """
    row = _waiting(session, feedback_id)
    if row is None:
        return False
    row.effect, row.matched_by, row.recipient = Effect.none.value, OPERATOR, None
    session.flush()
    return True


def dismiss_older(session: Session, before: datetime) -> int:
    """Let all waiting events that came before this moment have no effect. Return how many.

    The caller commits and adds to the audit log.
    """
    statement = (
        update(Feedback)
        .where(text(IN_TRAY), Feedback.received_at < before)
        .values(effect=Effect.none.value, matched_by=OPERATOR, recipient=None)
    )
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def count(session: Session, *, limit: int, before: datetime | None = None) -> int:
    """Return how many events wait, at most `limit`; only those that came before `before`, if given."""
    query = select(Feedback.id).where(text(IN_TRAY)).limit(limit)
    if before is not None:
        query = query.where(Feedback.received_at < before)
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def candidates(session: Session, identity_key: str, *, limit: int) -> list[Notification]:
    """Return the newest emails to this address's account that an event may be about."""
    user_id = session.scalar(select(User.id).where(User.identity_key == identity_key))
    if user_id is None:
        return []
    mine = (Notification.user_id == user_id, Notification.status.in_(sorted(MAY_HAVE_LEFT)))
    return list(session.scalars(select(Notification).where(*mine).order_by(Notification.id.desc()).limit(limit)))


def _waiting(session: Session, feedback_id: int) -> Feedback | None:
    query = select(Feedback).where(Feedback.id == feedback_id, Feedback.effect == Effect.waiting.value)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()
