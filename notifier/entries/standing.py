"""What stands against an email at the moment when it is asked for.

A worker asks again before it sends. But a program that asks for an email which cannot go learns of it at once.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import preferences, suppressions
from notifier.emails import EmailKind
from notifier.entries.people import Person
from notifier.models import User
from notifier.reasons import ReasonCode


def reason_against(session: Session, person: Person, kind: EmailKind) -> ledger.Why | None:
    """Return why this person gets no email of this kind now; None if they do.

    They are suppressed, unsubscribed from its category, or not confirmed while the kind is not for unknown addresses.
    """
    suppressed = suppressions.find(session, person.identity_key)
    if suppressed is not None and (suppressed.until is None or clock.now() < suppressed.until):
        return ledger.why(ReasonCode.suppressed, why=suppressed.reason)
    if person.verified_at is None and not kind.first_email:
        return ledger.why(ReasonCode.not_confirmed)
    if kind.category not in preferences.ALWAYS and session.scalar(
        select(User.id).where(User.id == person.id, preferences.refused(kind.category))
    ):
        why = f"they unsubscribed from {preferences.NAMES[kind.category]}"
        return ledger.why(ReasonCode.excluded, why=why)
    return None
