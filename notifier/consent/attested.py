"""Decisions that another application passes on: each with where and when it was made, and never over a later one."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.consent.preferences import How, decide
from notifier.models import Consent, Frequency, Preference, User

#: Characters of a basis.
BASIS_LIMIT = 500


class NewerDecision(ValueError):
    """The person decided about this category at a later time than the evidence says."""


def attest(
    session: Session,
    user_id: int,
    category: str,
    wanted: bool,
    frequency: Frequency | None = None,
    *,
    basis: str,
    at: datetime,
) -> bool:
    """Store a decision that was made in another application, with its evidence. The caller commits.

    The evidence of what holds already is stored, too. Return False if the very same evidence is there; a refusal holds
    all the same, if another decision of the same moment came after it.

    Args:
        session: The session.
        user_id: Whose decision it is.
        category: One of `preferences.REFUSABLE`.
        wanted: Whether they want it.
        frequency: For the digest only; None keeps the present one.
        basis: Where it was decided, at most BASIS_LIMIT characters.
        at: When.

    Raise NewerDecision, which changes nothing; PreferenceError as `preferences.decide` does.
    """
    # Decisions of one person are serialised by the lock on their row.
    session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    row = session.get(Preference, (user_id, category), populate_existing=True)
    if row is not None and row.updated_at > at:
        raise NewerDecision(category)
    # Two decisions of one moment, such as a date: no order of theirs, and no repeat, leaves what was refused wanted.
    is_refused_again = not wanted and row is not None and row.wanted
    if not is_refused_again and _is_known(session, user_id, category, wanted, frequency, basis, at):
        return False
    return decide(session, user_id, category, wanted, frequency, how=How.application, basis=basis, now=at)


def _is_known(
    session: Session, user_id: int, category: str, wanted: bool, frequency: Frequency | None, basis: str, at: datetime
) -> bool:
    """Return whether the very same evidence is stored."""
    same = select(Consent.id).where(
        Consent.user_id == user_id,
        Consent.category == category,
        Consent.how == How.application.value,
        Consent.wanted == wanted,
        Consent.basis == basis,
        Consent.at == at,
    )
    if frequency is not None:
        same = same.where(Consent.frequency == frequency.value)
    return session.scalar(same.limit(1)) is not None
