"""`simulate` says what the ticks then do, over every change of the clocks in a year."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import insert, select, update

from notifier.campaigns.editing import create
from notifier.campaigns.errors import CampaignError
from notifier.cli.main import build
from notifier.emails import KINDS
from notifier.explain.simulate import Fired, forecast
from notifier.extensions import db
from notifier.models import Activity, Campaign, CampaignRun, Notification, Preference
from notifier.scheduling.periods import month_label, wall
from tests.support.campaigns import expand, make_campaign, make_people, tick
from tests.support.kinds import rows_of
from tests.support.zones import utc

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

#: From winter of the south to the next: in it Apia left out a whole day, and had summer time.
BEGIN, DAYS = utc("2011-06-30 12:00"), 371

#: For each zone a cron expression of reports and one of digests, which name times that clocks skip or show twice.
CRONS = {
    "Europe/London": ("30 1 1 * *", "30 1 * * 0"),
    "America/New_York": ("30 2 1 * *", "30 2 * * 0"),
    "Australia/Lord_Howe": ("15 2 1 * *", "15 2 * * 0"),
    "Pacific/Apia": ("30 3 1 * *", "30 3 1,24,30 * *"),
}
#: What is special in that year, as "local time mark".
MARKED = {
    "Europe/London": ["2011-10-30 01:30 fold", "2012-03-25 02:00 gap"],
    "America/New_York": ["2012-03-11 03:00 gap"],
    "Australia/Lord_Howe": ["2011-10-02 02:30 gap"],
    "Pacific/Apia": ["2011-09-24 04:00 gap", "2011-12-31 00:00 gap", "2012-04-01 03:30 fold", "2012-04-01 03:30 fold"],
}


@pytest.mark.parametrize("zone", CRONS)
def test_a_year_of_ticks_is_what_was_simulated(zone: str, sqlite_app: Flask, frozen: time_machine.Traveller) -> None:
    with sqlite_app.app_context():
        frozen.move_to(BEGIN)
        readers = a_year_of_activities()
        report, digest = CRONS[zone]
        for name, kind, cron in (("report", "monthly_report", report), ("digest", "activity_digest", digest)):
            values = {"name": name, "kind": kind, "cron": cron, "zone": zone, "coalesce": False}
            create(db.session(), values, KINDS, now=BEGIN)
        db.session.commit()
        fired = list(forecast(db.session.scalars(select(Campaign)).all(), BEGIN, DAYS))
        live(frozen, fired)
        assert slots() == [(each.slot, each.campaign) for each in fired]
        assert [f"{wall(each.slot, each.local.tzinfo):%Y-%m-%d %H:%M} {each.mark}" for each in special(fired)] == (  # type: ignore[arg-type]
            MARKED[zone]
        )
        one_report_for_each_month(readers, fired)
        digests_tile(readers, fired)


def a_year_of_activities() -> list[int]:
    """Two readers who get every digest; something happens to them each day, at another time of day."""
    readers = make_people(1, timezone="Asia/Tokyo", created_at=BEGIN - 90 * DAY)
    readers += make_people(1, timezone="America/New_York", created_at=BEGIN - 90 * DAY)
    common = {"kind": "like", "actor": "Ada", "object_key": "photo:1", "object_title": "Night train"}
    moments = [BEGIN - 60 * DAY + number * 25 * HOUR for number in range(int(1.04 * (DAYS + 60)))]
    rows = [common | {"user_id": pk, "occurred_at": moment} for pk in readers for moment in moments]
    db.session.execute(insert(Activity), rows)
    wish = {"category": "digest", "wanted": True, "frequency": "daily"}
    db.session.execute(insert(Preference), [wish | {"user_id": pk} for pk in readers])
    db.session.commit()
    return readers


def live(frozen: time_machine.Traveller, fired: list[Fired]) -> None:
    """A tick every other day on which a slot is said to have come, and each month; all that is owed is sent at once.

    A slot of which nothing was said is run by a later tick, and then seen.
    """
    said = {-((BEGIN - each.slot) // DAY) for each in fired}
    for day in sorted({day + day % 2 for day in said} | set(range(0, DAYS + 2, 30)) | {DAYS + 1}):
        now = BEGIN + day * DAY
        frozen.move_to(now)
        ticked = tick(now)
        assert not ticked.failed
        for run_id in ticked.started:
            expand(run_id)
        if ticked.started:
            db.session.execute(update(Notification).where(Notification.status == "pending").values(status="sent"))
            db.session.commit()


def slots() -> list[tuple[datetime, str]]:
    """All that ran or was due, in the order of time."""
    query = select(CampaignRun.slot, Campaign.name).join(Campaign, Campaign.id == CampaignRun.campaign_id)
    states = set(db.session.scalars(select(CampaignRun.state)))
    assert states <= {"done", "sending"}
    return [(slot, name) for slot, name in db.session.execute(query.order_by(CampaignRun.slot, Campaign.name))]


def special(fired: list[Fired]) -> Iterator[Fired]:
    return (each for each in fired if each.mark)


def one_report_for_each_month(readers: list[int], fired: list[Fired]) -> None:
    rows = [row for row in rows_of() if row.kind == "monthly_report"]
    told = Counter((row.user.id, row.params["month"][:7]) for row in rows if row.user)
    zone = fired[0].local.tzinfo
    firings = [each for each in fired if each.campaign == "report"]
    months = {month_label(each.slot - 15 * DAY, zone) for each in firings}  # type: ignore[arg-type]
    assert len(months) == len(firings) in (12, 13)
    assert told == Counter((pk, month) for pk in readers for month in months)


def digests_tile(readers: list[int], fired: list[Fired]) -> None:
    # To the last of two slots on one day there may be nothing new.
    last = sorted(each.slot.timestamp() * 1_000_000 for each in fired if each.campaign == "digest")[-2:]
    for pk in readers:
        rows = [row for row in rows_of() if row.kind == "activity_digest" and row.user and row.user.id == pk]
        windows = sorted((row.params["since"], row.params["until"]) for row in rows)
        assert all(since < until for since, until in windows)
        assert all(first[1] == second[0] for first, second in pairwise(windows))
        assert len(windows) > 30
        assert windows[-1][1] in last
        loaded = KINDS["activity_digest"].load(db.session(), rows)  # type: ignore[attr-defined]
        moments = db.session.scalars(select(Activity.occurred_at).where(Activity.user_id == pk)).all()
        inside = sum(windows[0][0] <= at.timestamp() * 1_000_000 < windows[-1][1] for at in moments)
        assert sum(digest.counts.total() for digest in loaded.values()) == inside > 300


# --- the command ------------------------------------------------------------------------------------

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_app: Flask) -> Run:
    def run(*words: str) -> Result:
        return CliRunner().invoke(build(lambda: sqlite_app), ["simulate", *words])

    return run


@pytest.fixture
def london(sqlite_app: Flask, frozen: time_machine.Traveller) -> None:
    with sqlite_app.app_context():
        make_campaign("early", cron="30 1 * * *", zone="Europe/London")
        make_campaign("news", state="paused")
        make_campaign("old", state="archived")
        make_campaign("by-hand", cron=None, next_slot=None, next_run_at=None)


@pytest.mark.usefixtures("london")
def test_the_command_marks_what_is_special(run: Run) -> None:
    shown = run("--from", "2027-03-27", "--days", "3", "--campaign", "early").output
    assert "Sun 2027-03-28 02:00 +0100" in shown
    assert "the clocks skip that time" in shown
    assert shown.count("early") == 3
    found = json.loads(run("--from", "2026-10-25T00:00+02:00", "--days", "1", "--json").stdout)
    assert [(each["campaign"], each["slot"], each["mark"]) for each in found] == [
        ("early", "2026-10-25T00:30:00+00:00", "fold"),
        ("news", "2026-10-25T09:00:00+00:00", ""),
    ]


@pytest.mark.usefixtures("london")
def test_it_begins_now_and_looks_four_hundred_days_ahead(run: Run) -> None:
    found = json.loads(run("--campaign", "news", "--json").stdout)
    assert (len(found), found[0]["slot"]) == (400, "2026-11-21T09:00:00+00:00")
    assert json.loads(run("--campaign", "by-hand", "--json").stdout) == []
    assert "Nothing is due" in run("--campaign", "old").output


@pytest.mark.usefixtures("london")
@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--from", "junk"), 2, "'junk' does not match"),
        (("--days", "0"), 2, "is not in the range"),
        (("--campaign", "nws"), 1, "There is no campaign 'nws'. Available: by-hand, early, news, old."),
    ],
)
def test_wrong_input_is_one_clear_line(run: Run, words: tuple[str, ...], code: int, line: str) -> None:
    result = run(*words)
    assert (result.exit_code, line in result.output) == (code, True)


@pytest.mark.usefixtures("london")
def test_a_schedule_that_cannot_be_used_is_told_in_words(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        db.session.execute(update(Campaign).where(Campaign.name == "news").values(cron="not a cron"))
        db.session.commit()
        with pytest.raises(CampaignError, match="news cannot be read: A cron expression has five fields"):
            forecast(db.session.scalars(select(Campaign)).all(), BEGIN, 1)
