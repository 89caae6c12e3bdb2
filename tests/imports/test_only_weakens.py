"""No sequence of imports, among all else that happens to people, gives an address more email than before.

What an address can get is its set of categories that a campaign may send to it. An import may add to it only if nothing
speaks against it: this test remembers what was said about each address, by itself, and looks at the rows.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, StaticPool, create_engine, select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier import sqlite as sqlite_engines
from notifier.accounts import erasure
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import REFUSABLE, How
from notifier.database.base import Base
from notifier.entries import people as mirror
from notifier.entries.fields import UserFields
from notifier.imports.exports.entries import Entry, What
from notifier.imports.lines import PersonLine
from notifier.imports.people import Responsibility, store
from notifier.imports.suppressing import SuppressionImport
from notifier.models import Consent, Notification, Preference, Suppression, SuppressionReason, User
from notifier.operators.audit_log import COMMAND_LINE

#: Sequences that are tried. `EXAMPLES=1500 ./run test tests/imports/test_only_weakens.py` is the long run.
EXAMPLES = int(os.environ.get("EXAMPLES", "30"))

KEYS = ["first-key-that-is-long-enough", "second-key-that-is-long-enough"]
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
VOUCHED = Responsibility(BEFORE, "They told us")

IDS = st.sampled_from(["1", "2", "3"])
ADDRESSES = st.sampled_from(["a@example.com", "b@example.com", "c@example.com"])
CATEGORIES = st.sampled_from(REFUSABLE)
DATES = st.sampled_from([None, BEFORE])
LINES = st.lists(st.tuples(IDS, ADDRESSES, DATES), min_size=1, max_size=3, unique_by=lambda line: line[0])

STEPS = st.one_of(
    st.tuples(st.just("import"), LINES, st.booleans()),
    st.tuples(st.just("import"), LINES, st.booleans()),
    st.tuples(st.just("host"), IDS, ADDRESSES, DATES),
    st.tuples(st.just("decide"), IDS, CATEGORIES, st.booleans()),
    st.tuples(st.just("complain"), ADDRESSES),
    st.tuples(st.just("suppress"), ADDRESSES),
    st.tuples(st.just("unsubscribed elsewhere"), ADDRESSES),
    st.tuples(st.just("erase"), ADDRESSES),
    st.tuples(st.just("ask"), IDS),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://", poolclass=StaticPool)
    sqlite_engines.prepare(made)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@dataclass
class World:
    """The database, and what was said about addresses."""

    session: Session
    refused: dict[str, set[str]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    #: Addresses that a person never confirmed, before an import gave them another one.
    unanswered: set[str] = field(default_factory=set)
    number: int = 0

    def person(self, external_id: str) -> User | None:
        query = select(User).where(User.external_id == external_id, User.is_person())
        return self.session.scalars(query).one_or_none()

    def address(self, external_id: str) -> str:
        query = select(User.identity_key).where(User.external_id == external_id)
        return self.session.scalars(query).one()

    def people(self, address: str) -> list[User]:
        return list(self.session.scalars(select(User).where(User.identity_key == address)))

    def reach(self) -> set[tuple[str, str]]:
        """What each address can get."""
        closed = set(self.session.scalars(select(Suppression.identity_key)))
        off = set(self.session.execute(select(Preference.user_id, Preference.category).where(~Preference.wanted)))
        confirmed = self.session.scalars(select(User).where(User.verified_at.is_not(None)))
        return {
            (user.identity_key, category)
            for user in confirmed
            for category in REFUSABLE
            if user.identity_key not in closed and (user.id, category) not in off
        }

    def forbidden(self) -> set[tuple[str, str]]:
        """What no import may let an address get."""
        never = {*self.erased, *self.session.scalars(select(Suppression.identity_key)), *self.asked(), *self.unanswered}
        refusals = {(address, category) for address, found in self.refused.items() for category in found}
        for user_id, category in self.session.execute(
            select(Preference.user_id, Preference.category).where(~Preference.wanted)
        ):
            user = self.session.get(User, user_id)
            assert user is not None
            refusals.add((user.identity_key, category))
        return refusals | {(address, category) for address in never for category in REFUSABLE}

    def asked(self) -> set[str]:
        query = select(User.identity_key).join(Notification, Notification.user_id == User.id)
        return set(self.session.scalars(query.where(User.verified_at.is_(None))))

    def asked_ids(self) -> set[str]:
        query = select(User.external_id).join(Notification, Notification.user_id == User.id)
        return {str(each) for each in self.session.scalars(query.where(User.verified_at.is_(None)))}

    def confirmed_ids(self) -> set[str | None]:
        return set(self.session.scalars(select(User.external_id).where(User.verified_at.is_not(None))))

    def kept(self) -> tuple[Any, ...]:
        """What no import may change."""
        closed = self.session.execute(select(Suppression.identity_key, Suppression.reason, Suppression.until))
        tombs = self.session.scalars(select(User.external_id).where(User.erased_at.is_not(None)))
        return sorted(closed.all()), sorted(map(str, tombs))

    def refusals(self) -> set[tuple[int, str]]:
        rows = self.session.execute(select(Preference.user_id, Preference.category).where(~Preference.wanted))
        return {(row[0], row[1]) for row in rows}


def take(world: World, step: tuple[Any, ...]) -> None:
    """Do what is no import, and remember what was said."""
    session, (what, *words) = world.session, step
    if what == "host":
        external_id, address, date = words
        fields = UserFields(id=external_id, email=address, verified_at=date)
        mirror.write(session.connection(), [fields], allow_local=False)
    elif what == "decide" and (user := world.person(words[0])):
        if preferences.decide(session, user.id, words[1], words[2], how=How.page):
            said = world.refused.setdefault(user.identity_key, set())
            said.discard(words[1]) if words[2] else said.add(words[1])
    elif what in ("complain", "suppress"):
        reason = SuppressionReason.complaint if what == "complain" else SuppressionReason.hard_bounce
        suppressions.add(session, words[0], reason=reason, source="email", evidence="")
        for user in world.people(words[0]) if what == "complain" else ():
            preferences.decide_all(session, user.id, False, how=How.complaint)
            world.refused.setdefault(words[0], set()).update(REFUSABLE)
    elif what == "erase":
        erase(world, words[0])
    elif what == "ask" and (user := world.person(words[0])):
        world.number += 1
        key = f"ask:{world.number}"
        ledger.add(session, kind="verification", user=user, dedupe_key=key, now=clock.now(), grace=timedelta(0))
    session.commit()


def erase(world: World, address: str) -> None:
    # With a person goes all that they said, at former addresses too.
    theirs = select(Consent.identity_key).join(User, User.id == Consent.user_id)
    for former in world.session.scalars(theirs.where(User.identity_key == address)):
        world.refused.pop(str(former), None)
        world.unanswered.discard(str(former))
    erasure.erase_address(world.session, address, keys=KEYS, by=COMMAND_LINE)
    world.erased.add(address)


def unsubscribed(world: World, address: str) -> None:
    work = SuppressionImport(lambda: world.session, "mailchimp", {}, KEYS, clock.now())
    work.run([Entry(1, address, What.unsubscribed, None, "")], COMMAND_LINE)
    if address not in world.erased:
        world.refused.setdefault(address, set()).update(REFUSABLE)


def load(world: World, lines: list[tuple[str, str, datetime | None]], vouched: bool) -> None:
    """Import, and look at what became of everything."""
    session = world.session
    people = [
        PersonLine(number, external_id, address, address, confirmed_at=date)
        for number, (external_id, address, date) in enumerate(lines, 2)
    ]
    before, forbidden, kept, refusals = world.reach(), world.forbidden(), world.kept(), world.refusals()
    asked = world.asked_ids()
    # The embedding application may bring an erased address back, by a person with another id.
    known = set(session.scalars(select(User.identity_key)))
    theirs = {external_id: world.address(external_id) for external_id in asked}
    for again in (False, True):
        done = store(session, people, keys=KEYS, now=clock.now(), responsibility=VOUCHED if vouched else None)
        session.commit()
        session.expire_all()
        if again:
            assert (done.created, done.changed, done.opted_out) == (0, 0, 0)
        assert (world.reach() - before) & forbidden == set()
        assert world.kept() == kept
        assert refusals <= world.refusals()
        assert world.confirmed_ids().isdisjoint(asked)
        assert world.erased & set(session.scalars(select(User.identity_key))) <= known
    moved = (address for external_id, address in theirs.items() if world.address(external_id) != address)
    world.unanswered.update(moved)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=1, max_size=12))
@example(
    # The address of an opt-out becomes free, and comes back with a new id.
    [
        ("import", [("1", "a@example.com", BEFORE)], False),
        ("decide", "1", "news", False),
        ("import", [("1", "b@example.com", BEFORE)], False),
        ("import", [("2", "a@example.com", BEFORE)], False),
    ]
)
@example(
    [
        ("import", [("1", "a@example.com", None)], False),
        ("ask", "1"),
        ("import", [("2", "a@example.com", BEFORE)], True),
    ]
)
@example(
    # An import gives the person whom we asked another address, and another person theirs.
    [
        ("import", [("1", "a@example.com", None)], False), ("ask", "1"),
        ("import", [("1", "b@example.com", None), ("2", "a@example.com", None)], True),
    ]
)  # fmt: skip
@example(
    # A person who was not asked moves away from one who was.
    [
        ("import", [("1", "a@example.com", None), ("2", "a@example.com", None)], False), ("ask", "1"),
        ("import", [("2", "b@example.com", None)], True),
    ]
)  # fmt: skip
@example([("unsubscribed elsewhere", "a@example.com"), ("import", [("1", "a@example.com", BEFORE)], False)])
@example(
    [
        ("unsubscribed elsewhere", "a@example.com"), ("host", "1", "a@example.com", None),
        ("import", [("1", "a@example.com", None)], True),
    ]
)  # fmt: skip
@example([("suppress", "a@example.com"), ("import", [("1", "a@example.com", None)], True)])
@example(
    [
        ("host", "1", "a@example.com", BEFORE), ("decide", "1", "report", False),
        ("host", "1", "b@example.com", BEFORE),
        ("import", [("2", "a@example.com", BEFORE)], False),
    ]
)  # fmt: skip
@example([("import", [("1", "a@example.com", BEFORE)], False), ("erase", "a@example.com"),
          ("import", [("1", "b@example.com", BEFORE), ("2", "a@example.com", BEFORE)], True)])  # fmt: skip
def test_no_import_strengthens_a_consent(engine: Engine, steps: list[tuple[Any, ...]]) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    with Session(engine) as session:
        world = World(session)
        for step in steps:
            if step[0] == "import":
                load(world, step[1], step[2])
            elif step[0] == "unsubscribed elsewhere":
                unsubscribed(world, step[1])
            else:
                take(world, step)
