"""When campaign emails go: after the month is over, a full day after the signup, by each recipient's clock, or now."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.campaigns.default_campaigns import load
from notifier.campaigns.editing import create, edit
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, User
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import CONTENT, expand, make_campaign, make_people, owed_to, run_row, tick
from tests.support.commands import Run
from tests.support.kinds import happened, rows_of
from tests.support.zones import utc

pytestmark = pytest.mark.usefixtures("frozen", "context")

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERYWHERE = ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/Berlin", "UTC", "America/Los_Angeles", "Etc/GMT+12")


def stored(name: str) -> Campaign:
    db.session.rollback()
    query = select(Campaign).where(Campaign.name == name)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def live(frozen: time_machine.Traveller, since: datetime, until: datetime, step: timedelta) -> None:
    """Tick from time to time; what is called for is expanded at once."""
    now = since
    while now <= until:
        frozen.move_to(now)
        called: list[int] = []
        tick(now, called)
        for run_id in called:
            expand(run_id)
        now += step


def due_of(user_id: int) -> list[datetime]:
    db.session.rollback()
    query = select(Notification.next_attempt_at).where(Notification.user_id == user_id).order_by(Notification.id)
    return list(db.session.scalars(query))


# --- reports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("month_of", ["campaign", "user"])
def test_the_first_activity_in_the_last_hour_of_a_month_counts(month_of: str, frozen: time_machine.Traveller) -> None:
    values = {"name": "report", "kind": "monthly_report", "cron": "0 9 1 * *", "recipient_local": True}
    create(db.session(), values | {"settings": {"month_of": month_of}}, KINDS, now=utc("2026-10-15 00:00"))
    db.session.commit()
    people = {zone: make_people(1, timezone=zone)[0] for zone in EVERYWHERE}
    for zone, pk in people.items():
        counts = ZoneInfo(zone if month_of == "user" else "UTC")
        happened(pk, datetime(2026, 10, 31, 23, 59, tzinfo=counts))
    live(frozen, utc("2026-10-31 12:00"), utc("2026-11-02 00:00"), HOUR)
    assert owed_to() == sorted(people.values())
    for zone, pk in people.items():
        at_nine = datetime(2026, 11, 1, 9, tzinfo=ZoneInfo(zone))
        # Not before the month is over everywhere it is read, and an hour more.
        over = utc("2026-11-01 13:00" if month_of == "user" else "2026-11-01 01:00")
        assert due_of(pk) == [max(at_nine, over)]


def test_a_report_that_waits_for_its_month_is_not_late(frozen: time_machine.Traveller) -> None:
    values = {"name": "report", "kind": "monthly_report", "cron": "0 0 1 * *", "misfire": "skip"}
    create(db.session(), values, KINDS, now=utc("2026-10-15 00:00"))
    db.session.commit()
    assert stored("report").next_run_at == utc("2026-11-01 01:00")
    happened(make_people(1)[0], utc("2026-10-20 12:00"))
    live(frozen, utc("2026-11-01 00:00"), utc("2026-11-01 01:30"), 30 * MINUTE)
    [found] = db.session.scalars(select(CampaignRun)).all()
    assert (found.slot, found.state, found.reason) == (utc("2026-11-01 00:00"), "sending", None)


def test_whose_month_it_is_moves_the_run(frozen: time_machine.Traveller) -> None:
    values = {"name": "report", "kind": "monthly_report", "cron": "0 9 1 * *", "recipient_local": True}
    create(db.session(), values, KINDS, now=utc("2026-10-15 00:00"))
    db.session.commit()
    assert stored("report").next_run_at == utc("2026-11-01 01:00")
    frozen.move_to(utc("2026-10-16 00:00"))
    edit(db.session(), "report", {"settings": {"month_of": "user"}}, KINDS, version=1, now=utc("2026-10-16 00:00"))
    db.session.commit()
    found = stored("report")
    assert (found.next_slot, found.next_run_at) == (utc("2026-11-01 09:00"), utc("2026-11-01 13:00"))


def test_the_plan_of_a_report_begins_when_its_run_does(app: Flask, frozen: time_machine.Traveller) -> None:
    values = {"name": "report", "kind": "monthly_report", "cron": "0 9 1 * *", "recipient_local": True}
    frozen.move_to(utc("2026-10-30 00:00"))
    create(db.session(), values, KINDS, now=utc("2026-10-30 00:00"))
    db.session.commit()
    for zone in EVERYWHERE:
        happened(make_people(1, timezone=zone)[0], utc("2026-10-20 12:00"))
    plan = services_of(app).planner.plan("report")
    assert plan.when == "Sun 1 Nov, 09:00 in each recipient's time zone; first 1 Nov 01:00 UTC, last 20 hours later"
    assert plan.timing.startswith("Not before 01:00 UTC on 1 November, once the month is over for every recipient")
    frozen.move_to(utc("2026-11-01 00:30"))
    early = services_of(app).planner.plan("report", "now")
    assert [note[:50] for note in early.notes] == ["It is about what happens until 2026-11-01 01:00 UT"]


# --- reminders --------------------------------------------------------------------------------------


def signed_up() -> dict[int, datetime]:
    """Somebody in every zone, at every few hours of a day: key -> when they signed up."""
    found = {}
    for zone in ("Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles"):
        for number in range(8):
            at = NOON + number * 3 * HOUR + 7 * MINUTE
            [pk] = make_people(1, timezone=zone, created_at=at, verified_at=None)
            found[pk] = at
    return found


def test_the_default_reminder_goes_at_ten_of_the_recipients_day_at_least_24_hours_after_the_signup(
    frozen: time_machine.Traveller,
) -> None:
    load(db.session(), KINDS, now=NOON)
    db.session.commit()
    people = signed_up()
    live(frozen, NOON, NOON + 3 * DAY, 4 * HOUR)
    for pk, at in people.items():
        zone = ZoneInfo(db.session.get_one(User, pk).timezone)
        due = due_of(pk)[0]
        assert due.astimezone(zone).strftime("%H:%M") == "10:00"
        assert DAY <= due - at < 2 * DAY


def test_an_hourly_reminder_goes_24_to_25_hours_after_the_signup(frozen: time_machine.Traveller) -> None:
    create(db.session(), {"name": "hourly", "kind": "verification_reminder", "cron": "0 * * * *"}, KINDS, now=NOON)
    db.session.commit()
    people = signed_up()
    live(frozen, NOON, NOON + 2 * DAY, HOUR)
    assert all(DAY <= due_of(pk)[0] - at <= DAY + HOUR for pk, at in people.items())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cron": "0 * * * *"}, "24 to 25 hours after sign-up."),
        ({"cron": "0 10 * * *"}, "24 to 48 hours after sign-up."),
        (
            {"cron": "0 10 * * *", "recipient_local": True},
            "24 to 48 hours after sign-up, by the clock in each recipient's time zone.",
        ),
    ],
)
def test_the_plan_says_when_the_first_reminder_goes(run: Run, values: dict[str, Any], sentence: str) -> None:
    create(db.session(), {"name": "reminder", "kind": "verification_reminder"} | values, KINDS, now=NOON)
    db.session.commit()
    said = json.loads(run("plan", "reminder", "--json").stdout)["timing"]
    assert said.endswith(sentence)
    assert sentence.split(" hours")[0] in run("plan", "reminder").output


# --- runs by hand -----------------------------------------------------------------------------------


def local_news(**values: Any) -> Campaign:
    return create(
        db.session(),
        {"name": "news", "kind": "announcement", "settings": CONTENT, "cron": "0 10 * * *", "recipient_local": True}
        | values,
        KINDS,
        now=NOON - DAY,
    )


def test_a_local_campaign_asks_when_a_run_by_hand_goes(run: Run) -> None:
    local_news()
    db.session.commit()
    refused = run("campaign", "run", "news")
    assert refused.exit_code == 1
    for option in ("--now", "--at-local-hour", "--newest"):
        assert option in refused.output
    assert db.session.scalars(select(CampaignRun)).all() == []


@pytest.mark.parametrize("option", ["--now", "--at-local-hour"])
def test_it_goes_when_the_operator_says_so(run: Run, app: Flask, option: str) -> None:
    local_news()
    db.session.commit()
    people = {zone: make_people(1, timezone=zone)[0] for zone in EVERYWHERE}
    planned = json.loads(run("plan", "news", option, "--json").stdout)
    done = run("campaign", "run", "news", option, "--plan", planned["token"])
    assert done.exit_code == 0, done.output
    [found] = db.session.scalars(select(CampaignRun)).all()
    assert expand(found.id)
    due = {zone: due_of(pk)[0] for zone, pk in people.items()}
    if option == "--now":
        assert set(due.values()) == {NOON}
        assert planned["when"] == "now, to everyone at once"
        assert run_row(found.id).deadline == NOON + 3 * DAY
    else:
        assert {at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M") for zone, at in due.items()} == {"21 10:00"}
        assert planned["when"] == (
            "Sat 21 Nov, 10:00 in each recipient's time zone; first 20 Nov 20:00 UTC, last 26 hours later"
        )
    # The sender looks by the same clocks as the plan.
    rows = rows_of(found.id)
    held = services_of(app).sender.recheck.look(rows).halts
    assert len(held) == (0 if option == "--now" else len(EVERYWHERE))


def test_without_an_hour_or_without_local_time_the_choice_is_refused_in_words(run: Run) -> None:
    make_campaign("plain")
    make_campaign("manual", cron=None, next_slot=None, next_run_at=None, recipient_local=True)
    for name, words in (("plain", "does not send in each recipient's time zone"), ("manual", "so it has no hour")):
        for command in (("plan", name), ("campaign", "run", name)):
            refused = run(*command, "--at-local-hour")
            assert (refused.exit_code, words in refused.output) == (1, True), refused.output


def test_the_slot_that_was_run_by_hand_is_not_run_again_by_the_schedule(run: Run) -> None:
    local_news()
    db.session.commit()
    make_people(2)
    run("campaign", "run", "news", "--at-local-hour")
    tick(NOON + 8 * HOUR)
    found = db.session.scalars(select(CampaignRun).order_by(CampaignRun.id)).all()
    assert [(each.slot, each.trigger) for each in found if each.state == "due"] == [(utc("2026-11-21 10:00"), "manual")]


# --- how it is told ---------------------------------------------------------------------------------

#: Next due on Saturday at ten, in every zone: the first zone has that 14 hours before UTC, the last 12 after it.
SAID = "Sat 21 Nov, 10:00 in each recipient's time zone; first 20 Nov 20:00 UTC, last 26 hours later"


def test_commands_tell_local_times_as_what_they_are(run: Run) -> None:
    made = run(
        "campaign", "create", "news", "--kind", "announcement", "--set", "cron=0 10 * * *",
        "--set", "recipient_local=true",
        *(f"--set=settings.{name}={json.dumps(value)}" for name, value in CONTENT.items()),
    )  # fmt: skip
    assert made.output == f"news is active. Next: {SAID}.\n"
    assert json.loads(run("campaign", "list", "--json").stdout)[0]["next"] == SAID
    assert json.loads(run("campaign", "show", "news", "--json").stdout)["campaign"]["next"] == SAID
    [first, *_] = json.loads(run("simulate", "--days", "2", "--json").stdout)
    assert (first["when"], first["run_at"]) == (SAID, "2026-11-20T20:00:00+00:00")
    for words in (("campaign", "list"), ("simulate", "--days", "2"), ("plan", "news")):
        shown = " ".join(run(*words).output.split())
        assert "2026-11-21 10:00 UTC" not in shown
        assert "recipient's" in shown
