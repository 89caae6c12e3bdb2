"""A plan that is run later: who joined and left since, by their rows, and by count if no row tells."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, event, insert, update

from notifier.consent import preferences
from notifier.explain.plan import Planner
from notifier.explain.plan_token import Drift, PlanChanged
from notifier.extensions import db
from notifier.models import Campaign, Suppression, User
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run
from tests.support.checksum import checksum

LATER = NOON + timedelta(minutes=20)


@pytest.fixture
def planner(context: Flask, frozen: time_machine.Traveller) -> Planner:
    """The planner of an application with twenty people, of whom 1 to 15 get the news."""
    make_people(18)
    make_people(2, verified_at=None)
    make_campaign()
    suppress(16)
    decide(False, 17, 18)
    db.session.commit()
    planner: Planner = services_of(context).planner
    return planner


def suppress(*people: int) -> None:
    rows = [{"identity_key": f"user{pk}@example.com", "reason": "manual", "source": "operator"} for pk in people]
    db.session.execute(insert(Suppression), rows)


def lift() -> None:
    db.session.execute(delete(Suppression))


def decide(wanted: bool, *people: int) -> None:
    for pk in people:
        preferences.decide(db.session(), pk, "news", wanted, how=preferences.How.page)


def confirm(*people: int) -> None:
    db.session.execute(update(User).where(User.id.in_(people)).values(verified_at=LATER))


def sign_up(count: int) -> None:
    make_people(count, created_at=LATER, verified_at=LATER)


def erase(*people: int) -> None:
    db.session.execute(delete(User).where(User.id.in_(people)))


def send_to(*people: int) -> None:
    """Let a run of the same day make their rows, and no one else's."""
    db.session.execute(update(User).where(User.id.in_(people)).values(locale="de"))
    db.session.execute(update(Campaign).values(audience={"locales": ["de"]}))
    db.session.commit()
    expand(start_run(db.session.get_one(Campaign, 1), SLOT))
    db.session.execute(update(Campaign).values(audience={}))


#: What happens between plan and run, what rows tell of it as (joined, left), and what has changed in fact.
CASES: dict[str, tuple[Callable[[], object], tuple[int, int], Drift]] = {
    "sign up": (lambda: sign_up(2), (2, 0), Drift(2, 0)),
    "confirm": (lambda: confirm(19, 20), (2, 0), Drift(2, 0)),
    "subscribe again": (lambda: decide(True, 17, 18), (2, 0), Drift(2, 0)),
    "unsubscribe": (lambda: decide(False, 1, 2, 3), (0, 3), Drift(0, 3)),
    "are suppressed": (lambda: suppress(1, 2, 3), (0, 3), Drift(0, 3)),
    "get it from another run": (lambda: send_to(1, 2), (0, 2), Drift(0, 2)),
    "were excluded before": (lambda: suppress(17, 19), (0, 0), Drift(0, 0)),
    "sign up and are suppressed": (lambda: (sign_up(2), suppress(21, 22)), (0, 0), Drift(0, 0)),
    "unsubscribe and think again": (lambda: (decide(False, 1), decide(True, 1)), (1, 0), Drift(0, 0)),
    "are not suppressed any more": (lift, (0, 0), Drift(1, 0)),
    "are erased": (lambda: erase(1), (0, 0), Drift(0, 1)),
    "come and go": (lambda: (sign_up(2), suppress(1, 2)), (2, 2), Drift(2, 2)),
    "come and go without a trace": (lambda: (lift(), erase(1)), (0, 0), Drift(1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_plan_that_is_compared_sees_who_joined_and_left(
    planner: Planner, frozen: time_machine.Traveller, name: str
) -> None:
    happens, told, drift = CASES[name]
    before = planner.plan("news")
    frozen.move_to(LATER)
    happens()
    db.session.commit()
    after = planner.plan("news", since=before.planned.at)
    assert (after.joined, after.left) == told
    assert Drift.between(before.planned, after.planned, joined=after.joined, left=after.left) == drift


def test_a_confirmation_leaves_the_reminders_of_those_who_have_not(
    planner: Planner, frozen: time_machine.Traveller
) -> None:
    make_campaign("reminder", kind="verification_reminder")
    make_people(5, verified_at=None, created_at=NOON - timedelta(days=4))
    before = planner.plan("reminder")
    frozen.move_to(LATER)
    confirm(21, 22)
    db.session.commit()
    after = planner.plan("reminder", since=before.planned.at)
    assert (before.count, after.count, after.joined, after.left) == (5, 3, 0, 2)


def test_as_many_who_come_as_go_are_seen_and_confirming_writes_nothing(
    planner: Planner, frozen: time_machine.Traveller
) -> None:
    token = planner.plan("news", "now").token
    frozen.move_to(LATER)
    sign_up(5)
    suppress(1, 2, 3, 4, 5)
    db.session.commit()
    stored = checksum()
    planned, fresh = planner.confirm(token, "news", "now")
    assert (planned.count, fresh.count, fresh.joined, fresh.left) == (15, 15, 5, 5)
    with pytest.raises(PlanChanged, match="at least 5 joined and 5 left, and this run accepts 0"):
        planner.confirm(token, "news", "now", exact=True)
    assert checksum() == stored
    sign_up(1)
    with pytest.raises(PlanChanged, match="at least 6 joined and 5 left, and this run accepts 10"):
        planner.confirm(token, "news", "now")


def test_comparing_looks_at_the_users_once(planner: Planner) -> None:
    """The million rows of a large list are read once for a plan, and once for a run."""
    token = planner.plan("news", "now").token
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    planner.confirm(token, "news", "now")
    assert sum("FROM notifier_users" in statement for statement in statements) == 1
