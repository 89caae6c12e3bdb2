"""Store and query which emails people want: the preference pages change it, the audience of campaigns asks it.

Emails about security and the account cannot be refused. For the other categories a user has a row once they decided
something; without one the default applies: all categories, with digests once a week.
"""

import enum
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, case, false, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from notifier import clock
from notifier.consent.decisions import Decisions, Evidence, Wish
from notifier.database.keys import among
from notifier.events import EventType, Facts, record
from notifier.metrics import tally
from notifier.metrics.catalogue import UNSUBSCRIBES
from notifier.models import Frequency, Preference, User

DIGEST: Final = "digest"
#: The name of each refusable category within a sentence.
NAMES: Final = {"report": "monthly reports", "digest": "activity digests", "news": "news"}
#: Categories that may be refused, in the order in which pages show them.
REFUSABLE: Final = ("report", DIGEST, "news")
#: Categories that ignore opt-outs.
ALWAYS: Final = frozenset({"security", "account"})
DEFAULT_FREQUENCY: Final = Frequency.weekly


class PreferenceError(ValueError):
    """A decision about a category or a frequency that does not exist."""


class How(enum.StrEnum):
    """The way in which a decision was made, kept as evidence."""

    #: The email program's own unsubscribe button (RFC 8058).
    one_click = "one_click"
    page = "page"
    undo = "undo"
    operator = "operator"
    #: The recipient reported an email as spam.
    complaint = "complaint"
    #: An import said so, or an imported person has an address that had refused it.
    imported = "import"
    #: An application said so, and where it was decided.
    application = "application"


def of(session: Session, user_id: int) -> dict[str, Wish]:
    """Return the preferences of this user, by category, for all categories that may be refused."""
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
    basis: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Store a user's decision about a category, with its evidence. The caller commits.

    The frequency `never` means that the digest is not wanted. A digest that is wanted again without a frequency gets
    the one that it had before. Decisions of one user are serialised.

    Args:
        category: One of REFUSABLE.
        frequency: For the digest only; None keeps the present one.
        how: The way in which it was decided, as evidence.
        notification_id: The email whose link was used, if any.
        basis: Where it was decided. Such evidence is stored even if nothing changes.
        now: The moment of the decision; by default the present one.

    Returns:
        False, without storing evidence, if nothing changes or the account is gone.

    Raises:
        PreferenceError: The category or the frequency cannot be chosen.
    """
    chosen = _checked(category, frequency)
    # The lock on the user's row keeps two first decisions from being stored at once.
    identity_key = session.scalar(select(User.identity_key).where(User.id == user_id).with_for_update(key_share=True))
    if identity_key is None:
        return False
    row = session.get(Preference, (user_id, category), populate_existing=True)
    before, after = _wish(category, row), _after(category, row, wanted, chosen)
    evidence = Evidence(user_id, identity_key, how.value, notification_id, now or clock.now(), basis)
    decisions = Decisions()
    has_changed = decisions.take(row, before, after, evidence)
    decisions.store(session)
    if before.wanted and not after.wanted:
        _tell(session, [_unsubscribed(user_id, category, how)], how, evidence.now)
    return has_changed


def decide_all(
    session: Session,
    user_id: int,
    wanted: bool,
    *,
    how: How,
    notification_id: int | None = None,
    now: datetime | None = None,
) -> bool:
    """Call `decide` for every category that may be refused. Return False if nothing changes."""
    return bool(decide_all_of(session, {user_id: notification_id}, wanted, how=how, now=now or clock.now()))


def decide_all_of(
    session: Session,
    people: Mapping[int, int | None],
    wanted: bool,
    *,
    how: How,
    now: datetime,
    categories: Mapping[int, Collection[str]] | None = None,
) -> set[int]:
    """Do as `decide_all` for several users, given with the email whose link was used. Return for whom it changes.

    `categories`: of each user, those that are decided; by default all that may be refused.
    """
    if not people:
        return set()
    # In the order of their keys, so that two transactions do not wait for each other.
    those = select(User.id, User.identity_key).where(among(session, User.id, people))
    locked = those.order_by(User.id).with_for_update(key_share=True)
    present = {row.id: row.identity_key for row in session.execute(locked)}
    query = select(Preference).where(among(session, Preference.user_id, present))
    rows = {
        (row.user_id, row.category): row for row in session.scalars(query.execution_options(populate_existing=True))
    }
    changed, gone, decisions = set(), [], Decisions()
    for user_id, identity_key in present.items():
        evidence = Evidence(user_id, identity_key, how.value, people[user_id], now)
        for category in REFUSABLE if categories is None else categories[user_id]:
            row = rows.get((user_id, category))
            after = _after(category, row, wanted, None)
            before = _wish(category, row)
            if decisions.take(row, before, after, evidence):
                changed.add(user_id)
                if before.wanted and not after.wanted:
                    gone.append(_unsubscribed(user_id, category, how))
    decisions.store(session)
    _tell(session, gone, how, now)
    return changed


def _tell(session: Session, gone: list[tuple[EventType, Facts]], how: How, now: datetime) -> None:
    """Write down and count who unsubscribed."""
    record(session, gone, at=now)
    if gone:
        tally(session, UNSUBSCRIBES, how.value, by=len(gone))


def _unsubscribed(user_id: int, category: str, how: How) -> tuple[EventType, Facts]:
    return EventType.user_unsubscribed, {"user": {"id": user_id}, "category": category, "how": how.value}


def refused(category: str) -> ColumnElement[bool]:
    """Build the condition on User that this category was refused. It is false for categories in ALWAYS."""
    if category in ALWAYS:
        return false()
    _checked(category, None)
    # Not EXISTS, because Postgres would read the whole table of preferences again for each chunk of an expansion.
    decided = select(~Preference.wanted).where(Preference.user_id == User.id, Preference.category == category)
    return func.coalesce(decided.correlate(User).scalar_subquery(), false())


def decided_at(category: str) -> ColumnElement[datetime | None]:
    """Return an expression on User: when they last decided on this category; NULL if the default holds."""
    return _column_of(Preference.updated_at, category)


def wanted_since(category: str) -> ColumnElement[datetime | None]:
    """Return an expression on User: when they switched this category on again; NULL if it never was off, or is."""
    return _column_of(Preference.wanted_since, category)


def _column_of(column: InstrumentedAttribute[Any], category: str) -> ColumnElement[Any]:
    found = select(column).where(Preference.user_id == User.id, Preference.category == category)
    return found.correlate(User).scalar_subquery()


def frequency_of() -> ColumnElement[str]:
    """Build the expression on User for how often the digest is wanted, including `never`."""
    kept = func.coalesce(Preference.frequency, literal(DEFAULT_FREQUENCY.value))
    decided = (
        select(case((Preference.wanted, kept), else_=literal(Frequency.never.value)))
        .where(Preference.user_id == User.id, Preference.category == DIGEST)
        .correlate(User)
    )
    return func.coalesce(decided.scalar_subquery(), literal(DEFAULT_FREQUENCY.value))


def wanting(frequency: Frequency) -> ColumnElement[bool]:
    """Build the condition on User that they chose the digest at this frequency, which must not be the default."""
    assert frequency is not DEFAULT_FREQUENCY, "people without a row want it, too"
    chosen = (Preference.category == DIGEST, Preference.wanted, Preference.frequency == frequency.value)
    return User.id.in_(select(Preference.user_id).where(*chosen))


def _checked(category: str, frequency: Frequency | str | None) -> Frequency | None:
    if category not in REFUSABLE:
        raise PreferenceError(f"{category} is not a category that can be refused: choose one of {', '.join(REFUSABLE)}")
    if frequency is None:
        return None
    if category != DIGEST:
        raise PreferenceError("only the digest has a frequency")
    try:
        return Frequency(frequency)
    except ValueError:
        raise PreferenceError(f"{frequency} is not a frequency: choose one of {', '.join(Frequency)}") from None


def _wish(category: str, row: Preference | None) -> Wish:
    if row is None:
        return Wish(category, True, DEFAULT_FREQUENCY if category == DIGEST else None)
    after = _after(category, row, row.wanted, None)
    return Wish(category, after.wanted, after.frequency, row.updated_at)


def _after(category: str, row: Preference | None, wanted: bool, chosen: Frequency | None) -> Wish:
    """Return the preference that results from this decision."""
    if category != DIGEST:
        return Wish(category, wanted)
    if not wanted or chosen is Frequency.never:
        return Wish(category, False, Frequency.never)
    kept = Frequency(row.frequency) if row is not None and row.frequency else Frequency.never
    return Wish(category, True, chosen or (DEFAULT_FREQUENCY if kept is Frequency.never else kept))
