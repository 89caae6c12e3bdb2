"""The operators' tray: what came back and names no email of ours for certain, until a person decides."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.feedback.events import of_row
from notifier.feedback.intake import Intake
from notifier.feedback.matching import OPERATOR, by_key
from notifier.models import Effect, Feedback


def assign(session: Session, intake: Intake, feedback_id: int, notification_id: int) -> Effect | None:
    """Let a waiting event take effect on the email that an operator names. Return the effect.

    None: the event no longer waits, or there is no such email. The caller commits and adds to the audit log.
    """
    row, email = _waiting(session, feedback_id), by_key(session, notification_id)
    if row is None or email is None:
        return None
    row.notification_id, row.matched_by, row.recipient = email.pk, OPERATOR, None
    row.identity_key = None if email.recipient == ERASED else email.identity_key
    session.flush()
    return intake.apply(session, row.id, email, of_row(row), clock.now())


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


def _waiting(session: Session, feedback_id: int) -> Feedback | None:
    query = select(Feedback).where(Feedback.id == feedback_id, Feedback.effect == Effect.waiting.value)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()
