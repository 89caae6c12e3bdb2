"""Which accounts a campaign reaches: confirmed ones, unless its kind or an operator says otherwise."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from notifier import audience
from notifier.accounts.seeds import seed
from notifier.audience import Audience, warning_of
from notifier.campaigns.editing import create
from notifier.campaigns.errors import Invalid
from notifier.emails import KINDS, EmailKind
from notifier.emails.announcement import Announcement
from notifier.emails.campaign_kind import Reaches
from notifier.extensions import db
from notifier.models import Activity, Notification, User
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, run_row, start_run
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


@pytest.fixture
def crowd() -> Mapping[int, bool]:
    """1,000 seeded people with activities, of whom 300 have not confirmed: key -> confirmed."""
    for _ in seed(db.session(), users=1000, verified=1, activities=0, now=NOON - 5 * DAY):
        pass
    people = list(db.session.scalars(select(User).order_by(User.id)))
    for number, user in enumerate(people):
        user.created_at = SLOT - (4 if number % 10 < 3 else 200) * DAY
        user.verified_at = None if number % 10 < 3 else NOON - DAY
    confirmed = {user.id: user.verified_at is not None for user in people}
    db.session.commit()
    like = {"kind": "like", "actor": "Ada", "object_key": "photo:1", "object_title": "Night train"}
    days = (40, 25, 6)
    rows = [like | {"user_id": pk, "occurred_at": SLOT - number * DAY} for pk in confirmed for number in days]
    db.session.execute(insert(Activity), rows)
    db.session.commit()
    assert sum(confirmed.values()) == 700
    return confirmed


def test_of_a_thousand_people_each_kind_reaches_those_it_is_for(
    app: Flask, run: Run, crowd: Mapping[int, bool]
) -> None:
    reached: dict[str, tuple[int, int]] = {}
    for name, kind, chosen in (
        ("news", "announcement", {}),
        ("report", "monthly_report", {}),
        ("digest", "activity_digest", {}),
        ("reminder", "verification_reminder", {}),
        ("all-news", "announcement", {"verified": "any"}),
    ):
        campaign = make_campaign(name, kind=kind, audience=chosen, created_at=SLOT - 10 * DAY)
        plan = services_of(app).planner.plan(name, slot=SLOT)
        said = json.loads(run("plan", name, "--newest", "--json").stdout)
        run_id = start_run(campaign)
        expand(run_id)
        owed = db.session.scalars(select(Notification.user_id).where(Notification.run_id == run_id)).all()
        reached[name] = (sum(crowd[pk] for pk in owed if pk), sum(not crowd[pk] for pk in owed if pk))
        assert (plan.confirmed, plan.unconfirmed) == reached[name]
        assert (said["confirmed"], said["unconfirmed"], said["not_confirmed"]) == (*reached[name], plan.not_confirmed)
        assert run_row(run_id).excluded.get("not_confirmed", 0) == plan.not_confirmed
        warned = [note for note in plan.notes if "300 of 1,000 recipients are not confirmed" in note]
        assert bool(warned) is (name == "all-news")
    assert reached == {
        "news": (700, 0),
        "report": (700, 0),
        "digest": (700, 0),
        "reminder": (0, 300),
        "all-news": (700, 300),
    }


def test_the_plan_names_both_groups(run: Run) -> None:
    make_people(3)
    make_people(2, verified_at=None)
    make_campaign()
    lines = [line.split() for line in run("plan", "news").output.splitlines()]
    assert ["confirmed", "3", "will", "get", "it"] in lines
    assert ["not", "confirmed", "0", "will", "get", "it,", "2", "excluded"] in lines
    make_campaign("all", audience={"verified": "any"})
    shown = run("plan", "all").output
    assert "2 will get it, 0 excluded" in shown
    assert "2 of 5 recipients are not confirmed" in shown


@pytest.mark.parametrize(
    ("reaches", "chosen", "expected", "warned"),
    [
        (Reaches.confirmed, {}, [None, "not_confirmed"], False),
        (Reaches.confirmed, {"verified": True}, [None, "not_confirmed"], False),
        (Reaches.confirmed, {"verified": False}, ["confirmed", None], True),
        (Reaches.confirmed, {"verified": "any"}, [None, None], True),
        (Reaches.both, {}, [None, None], False),
        (Reaches.both, {"verified": True}, [None, "not_confirmed"], False),
        (Reaches.both, {"verified": False}, ["confirmed", None], False),
        (Reaches.unconfirmed, {}, ["confirmed", None], False),
        (Reaches.unconfirmed, {"verified": True}, ["confirmed", None], False),
        (Reaches.unconfirmed, {"verified": "any"}, ["confirmed", None], False),
    ],
)
def test_a_kind_declares_which_accounts_it_reaches(
    reaches: Reaches, chosen: dict[str, Any], expected: list[str | None], warned: bool
) -> None:
    class OfOnesOwn(Announcement):
        """A kind that somebody adds."""

    OfOnesOwn.reaches = reaches
    kinds: Mapping[str, EmailKind] = {**KINDS, "announcement": OfOnesOwn()}
    people = [*make_people(1), *make_people(1, verified_at=None)]
    occasion = audience.occasion_of(make_campaign(audience=chosen), SLOT, kinds)
    answers = audience.judge(db.session(), occasion, people)
    assert [answers[pk].code for pk in people] == expected
    assert bool(warning_of(occasion.kind_of, Audience.model_validate(chosen))) is warned


def test_a_kind_that_says_nothing_reaches_confirmed_accounts() -> None:
    found = {name: getattr(kind, "reaches", None) for name, kind in KINDS.items()}
    said = {name: reaches for name, reaches in found.items() if reaches is not None}
    assert said == {
        "verification_reminder": Reaches.unconfirmed,
        "monthly_report": Reaches.confirmed,
        "activity_digest": Reaches.confirmed,
        "announcement": Reaches.confirmed,
    }


@pytest.mark.parametrize("verified", [True, "any"])
def test_nothing_widens_a_reminder(verified: Any) -> None:
    values = {"name": "r", "kind": "verification_reminder", "audience": {"verified": verified}}
    with pytest.raises(Invalid) as caught:
        create(db.session(), values, KINDS, now=NOON)
    (problem,) = caught.value.problems
    assert problem[0] == "audience.verified"
    assert "only goes to accounts that are not confirmed" in problem[1]


def test_the_choice_is_stored_and_the_default_is_not() -> None:
    values = {"kind": "announcement", "settings": {"subject": "a", "heading": "b", "paragraphs": ["c"]}}
    every = create(db.session(), values | {"name": "every", "audience": {"verified": "any"}}, KINDS, now=NOON)
    usual = create(db.session(), values | {"name": "usual"}, KINDS, now=NOON)
    assert (every.audience, usual.audience) == ({"verified": "any"}, {})
