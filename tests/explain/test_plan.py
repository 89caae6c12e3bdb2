"""A plan is what the run then does, and planning changes nothing."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.exc import DBAPIError

from notifier.campaigns.errors import CampaignError
from notifier.database.snapshot import reading
from notifier.explain.plan import Planner
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Frequency, Notification, Preference, Suppression, User
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, run_row, start_run
from tests.support.checksum import checksum
from tests.support.commands import Run
from tests.support.kinds import happened

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def planner(app: Flask) -> Planner:
    planner = services_of(app).planner
    planner.rates = True  # as with a Redis
    return planner


def people_of_all_sorts() -> list[int]:
    """Some for every reason: verified, suppressed, opted out, nowhere, old, young, with and without activities."""
    people = []
    for number, zone in enumerate(("UTC", "Asia/Tokyo", "America/New_York", "Nowhere/Land") * 3):
        values: dict[str, Any] = {"timezone": zone, "created_at": SLOT - timedelta(days=(0.5, 2, 5, 200)[number % 4])}
        people += make_people(1, **values, verified_at=None if number % 3 == 1 else NOON)
    db.session.add(Suppression(identity_key="user2@example.com", reason="manual", source="operator"))
    for category, pk in (("news", people[3]), ("report", people[4]), ("digest", people[5])):
        db.session.add(Preference(user_id=pk, category=category, wanted=False))
    db.session.add(Preference(user_id=people[6], category="digest", wanted=True, frequency=Frequency.daily))
    db.session.commit()
    for pk in people[::2]:
        happened(pk, SLOT - 30 * DAY, SLOT - 5 * DAY, SLOT - 20 * HOUR)
    return people


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"recipient_local": True, "zone": "Europe/Berlin"},
        {"quiet_from": "20:00", "quiet_to": "08:00"},
        {"audience": {"verified": "any", "share": 0.9}},
        {"kind": "monthly_report", "recipient_local": True},
        {"kind": "activity_digest", "created_at": SLOT - 10 * DAY},
        {"kind": "verification_reminder"},
    ],
)
def test_a_plan_is_what_the_run_then_does(planner: Planner, values: dict[str, Any]) -> None:
    people_of_all_sorts()
    pk = make_campaign(**values).id
    db.session.rollback()
    before = checksum()
    plan = planner.plan("news")
    assert checksum() == before
    run_id = start_run(db.session.get_one(Campaign, pk), plan.slot)
    expand(run_id)
    made = run_row(run_id)
    assert (plan.count, plan.excluded, plan.zone_fallbacks) == (made.planned, made.excluded, made.zone_fallbacks)
    assert plan.count > 0
    due = db.session.scalars(select(Notification.next_attempt_at).where(Notification.run_id == run_id)).all()
    assert (plan.first, plan.last) == (min(due), max(due))
    assert all(each.words and each.people for each in plan.left_out)
    db.session.rollback()
    assert planner.plan("news", slot=plan.slot).count == 0


def test_a_plan_shows_a_sample_and_people_with_what_they_were_judged_by(planner: Planner) -> None:
    people = people_of_all_sorts()
    make_campaign(kind="verification_reminder")
    plan = planner.plan("news")
    assert plan.sample is not None
    assert "confirm" in plan.sample.subject.lower() + plan.sample.text.lower()
    (confirmed,) = [each for each in plan.left_out if each.code == "confirmed"]
    assert confirmed.people[0].user_id == people[0]
    assert confirmed.people[0].values["confirmed at"] == NOON


def test_a_sample_that_cannot_be_made_is_a_note(planner: Planner) -> None:
    make_people(1)
    make_campaign()

    def broken(*_: object) -> Any:
        raise ValueError("It has no words.")

    planner._render = broken
    plan = planner.plan("news")
    assert (plan.count, plan.sample, plan.notes) == (1, None, ["There is no sample. It has no words."])


@pytest.mark.parametrize(
    ("values", "which", "slot"),
    [
        ({"next_slot": SLOT + DAY, "next_run_at": SLOT + DAY}, "next", SLOT + DAY),
        # Nobody ran three of them: the newest is what runs.
        ({"next_slot": SLOT - 3 * DAY, "next_run_at": SLOT - 3 * DAY}, "next", SLOT),
        ({"next_slot": SLOT + DAY, "next_run_at": SLOT + DAY}, "newest", SLOT),
        ({"next_slot": SLOT + DAY, "next_run_at": SLOT + DAY}, "now", NOON),
        ({"cron": None, "next_slot": None, "next_run_at": None}, "next", NOON),
    ],
)
def test_a_plan_is_for_one_slot(planner: Planner, values: dict[str, Any], which: Any, slot: datetime) -> None:
    make_campaign(**values)
    plan = planner.plan("news", which)
    assert (plan.slot, plan.at_once) == (slot, slot == NOON)


def test_nothing_can_be_written_meanwhile_and_everything_afterwards() -> None:
    make_people(1)
    with reading(db.session) as session, pytest.raises(DBAPIError):
        session.execute(delete(User))
    with pytest.raises(RuntimeError), reading(db.session), reading(db.session):
        pass
    db.session.execute(delete(User))
    db.session.commit()
    assert db.session.scalars(select(User.id)).all() == []


def test_a_plan_waits_for_no_writer_and_none_waits_for_it(sqlite_app: Flask) -> None:
    """SQLite has one lock for all who write."""
    with sqlite_app.app_context():
        make_people(3)
        make_campaign()
        db.session.rollback()
        with db.engine.connect() as writer:
            writer.execute(text("UPDATE notifier_users SET locale = 'de'"))
            assert services_of(sqlite_app).planner.plan("news").count == 3
            with reading(db.session) as session:
                session.scalars(select(User.id)).all()
                writer.commit()


def test_the_time_that_it_takes_is_reckoned_by_what_went_lately(app: Flask, planner: Planner) -> None:
    make_people(100)
    campaign = make_campaign()
    assert planner.plan("news").seconds is None
    # Two busy seconds with 60 and 120 emails, and one email that stands alone and tells nothing.
    went([*[30] * 60, *[90] * 120, 600])
    speed = planner.plan("news").throughput
    assert (speed.last_hour, speed.last_day) == (60, 181)
    assert speed.seen == pytest.approx((60 * 60 + 120 * 120) / 180)
    set_rate(campaign, 0.5)
    assert planner.plan("news").seconds == 200


def went(minutes_ago: Sequence[float], campaign_id: int | None = None) -> None:
    """Emails of campaigns that were sent so many minutes ago."""
    for number, minutes in enumerate(minutes_ago):
        values = {"dedupe_key": f"{campaign_id}:{number}", "recipient": "a@example.com", "kind": "announcement"}
        at = NOON - timedelta(minutes=minutes)
        sent = {"status": "sent", "sent_at": at, "settled_at": at, "bulk": True, "campaign_id": campaign_id}
        db.session.add(Notification(**values, **sent))
    db.session.commit()


def set_rate(campaign: Campaign, rate: float | None) -> None:
    db.session.execute(update(Campaign).where(Campaign.id == campaign.id).values(rate=rate))
    db.session.commit()


def test_a_slow_campaign_of_yesterday_does_not_slow_the_plan_of_a_fast_one(planner: Planner) -> None:
    """A campaign with a rate tells how fast it may go, and nothing of how fast another one could."""
    make_people(100)
    set_rate(make_campaign(), 50)
    slow = make_campaign("slow", rate=10)
    went([30 + second / 60 for second in range(60) for _ in range(10)], slow.id)
    assert planner.plan("news").seconds == 2


@pytest.mark.parametrize(
    "minutes_ago",
    [
        pytest.param([30], id="one email"),
        pytest.param(range(5, 65), id="one email a minute"),
        pytest.param([30] * 5 + [40] * 24, id="29 in two seconds"),
    ],
)
def test_a_few_emails_measure_no_rate(planner: Planner, run: Run, minutes_ago: Sequence[float]) -> None:
    make_people(100)
    campaign = make_campaign()
    went(minutes_ago)
    assert (planner.plan("news").throughput.seen, planner.plan("news").seconds) == (None, None)
    shown = run("plan", "news").output
    assert "not known yet" in shown
    assert "emails a second" not in shown
    set_rate(campaign, 50)
    assert planner.plan("news").seconds == 2
    set_rate(campaign, None)
    planner._limit = 10.0
    assert planner.plan("news").seconds == 10


def test_thirty_emails_measure_the_rate_of_a_slow_server(planner: Planner) -> None:
    make_people(100)
    make_campaign()
    went([30 + (number + 0.5) / 15 for number in range(30)])
    assert planner.plan("news").throughput.seen == pytest.approx(0.25)
    assert planner.plan("news").seconds == pytest.approx(400)


def test_campaigns_share_the_limit_of_all_emails_in_the_plan(app: Flask, planner: Planner) -> None:
    make_people(100)
    make_campaign()
    other = make_campaign("other")
    db.session.add(CampaignRun(campaign_id=other.id, slot=SLOT, state="sending"))
    db.session.flush()
    (run_id,) = db.session.scalars(select(CampaignRun.id))
    for number in range(20):
        values = {"dedupe_key": f"o{number}", "recipient": "a@example.com", "kind": "announcement", "bulk": True}
        db.session.add(Notification(**values, campaign_id=other.id, run_id=run_id))
    db.session.commit()
    planner._limit = 10.0
    # Until the other one has ended, half of it: 4 s for 20. The 80 others go at the full rate.
    assert planner.plan("news").seconds == 4 + 8
    assert planner.plan("news").throughput.rate == 5


def test_what_somebody_should_know_is_noted(planner: Planner) -> None:
    make_campaign(state="paused", paused_reason="look first", lifetime=3600)
    first, second = planner.plan("news").notes
    assert "paused: look first" in first
    assert "would already have expired" in second


def test_an_unknown_or_unreadable_campaign_is_told_in_words(planner: Planner) -> None:
    make_campaign(settings={"subject": "Only this"})
    with pytest.raises(CampaignError, match=r"no campaign 'nws'\. Available: news"):
        planner.plan("nws")
    with pytest.raises(CampaignError, match=r"news cannot be read: settings\.heading"):
        planner.plan("news")


# --- the commands -----------------------------------------------------------------------------------


def token_of(run: Run, *words: str) -> str:
    result = run("plan", "news", "--json", *words)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["token"])


def test_the_command_shows_a_plan_and_runs_what_was_planned(run: Run) -> None:
    make_people(20)
    db.session.add(Suppression(identity_key="user2@example.com", reason="manual", source="operator"))
    make_campaign()
    shown = run("plan", "news", "--newest").output
    token = token_of(run, "--newest")
    assert f"notifier campaign run news --plan {token}" in shown
    assert "user1@example.com" in shown
    assert "suppressed" in shown
    assert "What is new" in run("plan", "news", "--sample").output
    assert run("campaign", "run", "news", "--plan", token).exit_code == 0
    assert [row.slot for row in db.session.scalars(select(CampaignRun))] == [SLOT]


def test_a_run_refuses_another_plan(run: Run) -> None:
    make_people(20)
    make_campaign()
    token = token_of(run, "--now")
    make_people(5)
    assert run("campaign", "run", "news", "--plan", token).exit_code == 1  # of another slot
    make_people(20)
    refused = run("campaign", "run", "news", "--now", "--plan", token)
    assert refused.exit_code == 1
    assert "Nothing was started. The plan was for 20 people, now it is for 45 people" in refused.stderr
    assert "since 2026-11-20 12:00 UTC at least 25 joined and 0 left, and this run accepts 10." in refused.stderr
    assert re.search(r"will get it +45\b", refused.stdout)
    token = token_of(run, "--now")
    assert f"notifier campaign run news --now --plan {token}" in refused.stdout
    run("campaign", "edit", "news", "--set", "title=other")
    refused = run("campaign", "run", "news", "--now", "--plan", token)
    assert (refused.exit_code, "Since the plan was made, the campaign changed." in refused.stderr) == (1, True)
    assert db.session.scalars(select(CampaignRun)).all() == []


def test_exact_refuses_the_difference_that_a_run_accepts(run: Run) -> None:
    make_people(20)
    make_campaign()
    token = token_of(run, "--now")
    make_people(1)
    refused = run("campaign", "run", "news", "--now", "--exact", "--plan", token)
    assert (refused.exit_code, "1 joined and 0 left, and this run accepts 0." in refused.stderr) == (1, True)
    assert f"--now --exact --plan {token_of(run, '--now')}" in refused.stdout
    assert "--exact needs --plan" in run("campaign", "run", "news", "--now", "--exact").stderr
    assert db.session.scalars(select(CampaignRun)).all() == []
    assert run("campaign", "run", "news", "--now", "--plan", token).exit_code == 0


def test_an_edit_between_plan_and_run_is_seen(run: Run, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    make_people(3)
    make_campaign()
    token = token_of(run, "--now")
    planner = services_of(app).planner
    plan = planner.plan

    def planned(*args: Any, **values: Any) -> Any:
        made = plan(*args, **values)
        db.session.execute(update(Campaign).values(version=2))
        db.session.commit()
        return made

    monkeypatch.setattr(planner, "plan", planned)
    refused = run("campaign", "run", "news", "--now", "--plan", token)
    assert (refused.exit_code, "was changed just now" in refused.output) == (1, True)


def test_wrong_input_is_one_clear_line(run: Run) -> None:
    make_campaign()
    for words, line in (
        (("plan", "nws"), "There is no campaign 'nws'. Available: news."),
        (("campaign", "run", "news", "--plan", "junk"), "'junk' is not the token of a plan"),
    ):
        result = run(*words)
        assert result.exit_code == 1
        assert line in result.output
        assert "Traceback" not in result.output


def test_a_plan_of_many_asks_few_questions(app: Flask, planner: Planner) -> None:
    """It looks at the users once, however many there are."""
    make_people(50)
    make_campaign()
    db.session.rollback()
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    planner.plan("news", details=False)
    assert sum("FROM notifier_users" in statement for statement in statements) == 1
