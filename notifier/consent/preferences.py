"""What people want to get: decided on the pages of consent, asked by the rule of campaigns.

Security and account mail is not up for choice. Of the other categories a user has a row once something
was decided; without one the default holds: everything, and digests once a week.
"""

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, case, false, func, literal, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.models import Consent, Frequency, Preference, User

DIGEST: Final = "digest"
#: What a refusable category is called in a sentence.
NAMES: Final = {"report": "monthly reports", "digest": "activity digests", "news": "news"}
#: Categories that may be refused, in the order in which pages show them.
REFUSABLE: Final = ("report", DIGEST, "news")
#: Categories that ignore opt-outs.
ALWAYS: Final = frozenset({"security", "account"})
DEFAULT_FREQUENCY: Final = Frequency.weekly


class PreferenceError(ValueError):
    """A decision that cannot be: about a category or a frequency that does not exist."""


class How(enum.StrEnum):
    """How a decision came to us: evidence."""

    #: A mail program's own button (RFC 8058).
    one_click = "one_click"
    page = "page"
    undo = "undo"
    operator = "operator"


@dataclass(frozen=True, slots=True)
class Wish:
    """What holds for a user and a category, decided or by default."""

    category: str
    wanted: bool
    #: Of the digest only; never where it is not wanted.
    frequency: Frequency | None = None
    #: None: the default.
    decided_at: datetime | None = None


def of(session: Session, user_id: int) -> dict[str, Wish]:
    """The wishes of this user, one for each category that may be refused."""
    rows = session.scalars(select(Preference).where(Preference.user_id == user_id))
    decided = {row.category: row for row in rows}
    return {category: _wish(category, decided.get(category)) for category in REFUSABLE}


def decide(
    session: Session,
    user_id: int,
    category: str,
    wanted: bool,
    frequency: Frequency | str | None = None,
    *,
    how: How,
    notification_id: int | None = None,
    now: datetime | None = None,
) -> bool:
    """Note what this user wants of a category, with its evidence; `notification_id`: the mail that led there.

    A digest that comes never is not wanted; one that is wanted again without a frequency has the one that it had
    before. False, and no evidence, where nothing changes or the account is gone. The caller commits. Decisions of
    one user wait for each other. Raises PreferenceError for what nobody can decide.
    """
    chosen = _checked(category, frequency)
    # Whoever decides holds the user's row, so a first decision cannot be stored twice.
    if session.scalar(select(User.id).where(User.id == user_id).with_for_update(key_share=True)) is None:
        return False
    row = session.get(Preference, (user_id, category), populate_existing=True)
    before, after = _wish(category, row), _after(category, row, wanted, chosen)
    if (before.wanted, before.frequency) == (after.wanted, after.frequency):
        return False
    now = now or clock.now()
    if row is None:
        row = Preference(user_id=user_id, category=category)
        session.add(row)
    if before.wanted is not after.wanted:
        row.wanted_since = now if after.wanted else None
    row.wanted, row.updated_at = after.wanted, now
    if after.wanted:
        row.frequency = after.frequency  # of what is not wanted the old one stays, for whoever wants it back
    evidence = Consent(user_id=user_id, category=category, wanted=after.wanted, frequency=after.frequency)
    evidence.how, evidence.notification_id, evidence.at = how.value, notification_id, now
    session.add(evidence)
    session.flush()
    return True


def decide_all(
    session: Session,
    user_id: int,
    wanted: bool,
    *,
    how: How,
    notification_id: int | None = None,
    now: datetime | None = None,
) -> bool:
    """`decide` for every category that may be refused. False where nothing changes."""
    now = now or clock.now()
    changes = [
        decide(session, user_id, category, wanted, how=how, notification_id=notification_id, now=now)
        for category in REFUSABLE
    ]
    return any(changes)


def refused(category: str) -> ColumnElement[bool]:
    """A condition on User: has this category been refused? Never true of categories that ignore opt-outs."""
    if category in ALWAYS:
        return false()
    _checked(category, None)
    # Not EXISTS: Postgres would read the whole table of preferences anew for each chunk of an expansion.
    decided = select(~Preference.wanted).where(Preference.user_id == User.id, Preference.category == category)
    return func.coalesce(decided.correlate(User).scalar_subquery(), false())


def frequency_of() -> ColumnElement[str]:
    """An expression on User: how often the digest is wanted, `never` included."""
    kept = func.coalesce(Preference.frequency, literal(DEFAULT_FREQUENCY.value))
    decided = (
        select(case((Preference.wanted, kept), else_=literal(Frequency.never.value)))
        .where(Preference.user_id == User.id, Preference.category == DIGEST)
        .correlate(User)
    )
    return func.coalesce(decided.scalar_subquery(), literal(DEFAULT_FREQUENCY.value))


def digest_since() -> ColumnElement[datetime | None]:
    """An expression on User: when the digest was switched on again; NULL if it never was off."""
    found = select(Preference.wanted_since).where(Preference.user_id == User.id, Preference.category == DIGEST)
    return found.correlate(User).scalar_subquery()


def wanting(frequency: Frequency) -> ColumnElement[bool]:
    """Return a condition on User: they decided to get the digest this often. Not for the default frequency."""
    assert frequency is not DEFAULT_FREQUENCY, "people without a row want it, too"
    chosen = (Preference.category == DIGEST, Preference.wanted, Preference.frequency == frequency.value)
    return User.id.in_(select(Preference.user_id).where(*chosen))


def _checked(category: str, frequency: Frequency | str | None) -> Frequency | None:
    if category not in REFUSABLE:
        raise PreferenceError(f"{category} is no category that can be refused: choose one of {', '.join(REFUSABLE)}")
    if frequency is None:
        return None
    if category != DIGEST:
        raise PreferenceError("only the digest has a frequency")
    try:
        return Frequency(frequency)
    except ValueError:
        raise PreferenceError(f"{frequency} is no frequency: choose one of {', '.join(Frequency)}") from None


def _wish(category: str, row: Preference | None) -> Wish:
    if row is None:
        return Wish(category, True, DEFAULT_FREQUENCY if category == DIGEST else None)
    after = _after(category, row, row.wanted, None)
    return Wish(category, after.wanted, after.frequency, row.updated_at)


def _after(category: str, row: Preference | None, wanted: bool, chosen: Frequency | None) -> Wish:
    """What holds when this is decided."""
    if category != DIGEST:
        return Wish(category, wanted)
    if not wanted or chosen is Frequency.never:
        return Wish(category, False, Frequency.never)
    kept = Frequency(row.frequency) if row is not None and row.frequency else Frequency.never
    return Wish(category, True, chosen or (DEFAULT_FREQUENCY if kept is Frequency.never else kept))
