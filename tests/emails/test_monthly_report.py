"""Monthly reports: figures that are right to the microsecond, and who gets none. For the words: test_activity_mails."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select

from notifier import audience
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Activity, Campaign, Notification, User
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.kinds import contexts, happened, mails, owed, rows_of
from tests.support.zones import utc

pytestmark = pytest.mark.usefixtures("frozen", "context")

SLOT = utc("2026-11-01 09:00")
INSTANT = timedelta(microseconds=1)


def reports(zone: str = "UTC", **values: Any) -> Campaign:
    return make_campaign(kind="monthly_report", zone=zone, **{"cron": "0 9 1 * *"} | values)


def run(campaign: Campaign, slot: datetime = SLOT) -> int:
    run_id = start_run(campaign, slot)
    assert expand(run_id)
    return run_id


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "month", "until", "hours"),
    [
        ("Europe/London", "2026-10-01", "2026-11-01", 31 * 24 + 1),
        ("Europe/London", "2026-03-01", "2026-04-01", 31 * 24 - 1),
        ("Australia/Lord_Howe", "2026-10-01", "2026-11-01", 31 * 24 - 0.5),
        ("America/New_York", "2028-02-01", "2028-03-01", 29 * 24),
        ("Asia/Kathmandu", "2027-02-01", "2027-03-01", 28 * 24),
    ],
)
def test_the_month_is_that_of_the_zone_to_the_microsecond(zone: str, month: str, until: str, hours: float) -> None:
    first, end = local(month, zone), local(until, zone)
    assert end - first == timedelta(hours=hours)
    inside, outside = make_people(2, created_at=utc("2020-01-01 00:00"))
    happened(inside, first - INSTANT, first, first + INSTANT, end - INSTANT, end)
    happened(outside, first - INSTANT, end)
    run_id = run(reports(zone), end + timedelta(hours=9))
    [row] = rows_of(run_id)
    assert (row.user.id, row.dedupe_key.split(":")[1]) == (inside, month[:7])
    [report] = contexts([row])
    weeks = [count for _, count, _, _ in report["weeks"]]
    last = "0" if hours == 28 * 24 else "1"
    assert (report["total"], report["change"][:7]) == ("3", "up 2 fr")
    assert weeks == (["2", "0", "0", "1"] if hours == 28 * 24 else ["2", "0", "0", "0", last])


def test_weeks_begin_at_local_midnight_on_both_sides_of_a_change_of_clocks() -> None:
    zone, [reader] = "Europe/London", make_people(1)
    for day in (8, 15, 22, 29):
        midnight = local(f"2026-10-{day:02}", zone)
        happened(reader, midnight - INSTANT, midnight)
    [report] = contexts(rows_of(run(reports(zone))))
    shown = [(days.replace("\u2013", "-"), count, share) for days, count, share, _ in report["weeks"]]
    assert shown == [
        ("1-7 Oct", "1", 50),
        ("8-14 Oct", "2", 100),
        ("15-21 Oct", "2", 100),
        ("22-28 Oct", "2", 100),
        ("29-31 Oct", "1", 50),
    ]


def test_every_activity_of_a_year_is_in_one_report_and_nobody_gets_two_a_month() -> None:
    zone, [reader] = "Australia/Lord_Howe", make_people(1, created_at=utc("2025-01-01 00:00"))
    firsts = [local(f"{2026 + month // 12}-{month % 12 + 1:02}-01", zone) for month in range(13)]
    for first in firsts:
        happened(reader, first - INSTANT, first)
    campaign = reports(zone)
    for first in firsts[1:]:
        run(campaign, first + timedelta(hours=9))
        assert run_row(run(campaign, first + timedelta(days=20))).excluded == {"already": 1}
    rows = rows_of()
    assert [row.dedupe_key.split(":")[1] for row in rows] == [f"2026-{month:02}" for month in range(1, 13)]
    assert [report["total"] for report in contexts(rows)] == ["2"] * 12


def test_whoever_has_nothing_to_be_told_is_left_out_with_the_reason() -> None:
    busy, idle = make_people(2)
    happened(busy, utc("2026-10-15 12:00"))
    happened(idle, utc("2026-09-30 23:59"), utc("2026-11-01 00:00"))
    campaign = reports()
    run_id = run(campaign)
    assert run_row(run_id).excluded == {"nothing_happened": 1}
    answer = audience.judge(db.session(), audience.occasion_of(campaign, SLOT, KINDS), [idle])[idle]
    assert (answer.code, answer.words) == ("nothing_happened", "nothing happened in October 2026")
    assert answer.values == {"from": utc("2026-10-01 00:00"), "to": utc("2026-11-01 00:00")}


def test_the_readers_own_month_where_the_campaign_says_so() -> None:
    zones = ("Pacific/Kiritimati", "America/Los_Angeles", "Nowhere/Land")
    people = {zone: make_people(1, timezone=zone)[0] for zone in zones}
    expected = dict(zip(zones, (zones[0], zones[1], "Europe/London"), strict=True))
    for zone, reader in people.items():
        first, end = local("2026-10-01", expected[zone]), local("2026-11-01", expected[zone])
        happened(reader, first - INSTANT, first, local("2026-10-08", expected[zone]), end - INSTANT, end)
    campaign = reports("Europe/London", settings={"month_of": "user"}, recipient_local=True)
    rows = rows_of(run(campaign))
    assert {row.dedupe_key.split(":")[1] for row in rows} == {"2026-10"}
    assert [row.params["zone"] for row in rows] == list(zones)
    for report in contexts(rows):
        assert (report["month"], report["total"]) == ("October", "3")
        assert [count for _, count, _, _ in report["weeks"]] == ["1", "1", "0", "0", "1"]


def test_a_reader_who_moved_gets_the_report_that_was_owed() -> None:
    [reader] = make_people(1, timezone="America/Los_Angeles")
    happened(reader, local("2026-10-08", "America/Los_Angeles"), local("2026-11-01", "America/Los_Angeles") - INSTANT)
    rows = rows_of(run(reports(settings={"month_of": "user"}, recipient_local=True)))
    before = mails(rows)[0]
    db.session.get_one(User, reader).timezone = "Asia/Tokyo"
    db.session.commit()
    after = mails(rows_of())[0]
    assert (before.text, before.html) == (after.text, after.html)


@pytest.mark.parametrize(
    ("joined", "day"),
    [
        ("2026-10-14 08:00", "14 October"),
        ("2026-09-30 23:00", "1 October"),
        ("2026-09-30 22:59", ""),
        ("2026-11-01 00:00", ""),
    ],
)
def test_whoever_joined_in_this_month_has_no_month_before(joined: str, day: str) -> None:
    [reader] = make_people(1, created_at=utc(joined))
    happened(reader, utc("2026-10-20 10:00"))
    rows = rows_of(run(reports("Europe/London")))
    [report] = contexts(rows)
    assert (report["joined"], report["change"]) == (day, "" if day else "up from 0 in September")


def test_things_in_the_order_of_what_happened_around_them() -> None:
    [reader] = make_people(1)
    inside, earlier = utc("2026-10-05 10:00"), utc("2026-09-05 10:00")
    for key, title, likes, comments in (
        ("a", "Boat", 1, 1),
        ("b", "", 2, 1),
        ("c", "Cat", 3, 0),
        ("d", "Dog", 1, 0),
    ):
        happened(reader, *[inside] * likes, object_key=key, object_title=title)
        if comments:
            happened(reader, *[inside] * comments, kind="comment", object_key=key, object_title=title)
    happened(reader, *[earlier] * 9, object_key="d", object_title="Dog")
    happened(reader, *[inside] * 9, kind="follow", object_key="d", object_title="Dog")
    happened(reader, *[inside] * 9, object_key="", object_title="")
    rows = rows_of(run(reports()))
    [report] = contexts(rows)
    assert report["things"] == [
        ("Untitled", "1 comment and 2 likes"),
        ("Cat", "3 likes"),
        ("Boat", "1 comment and 1 like"),
    ]
    assert [kind[:2] for kind in report["kinds"]] == [("Comments", "2"), ("New followers", "9"), ("Likes", "16")]
    rows = rows_of(run(reports(name="short", settings={"top": 0})))
    assert contexts(rows)[0]["things"] == []


def test_the_same_bytes_whatever_happens_later() -> None:
    [reader] = make_people(1)
    happened(reader, utc("2026-10-05 10:00"), utc("2026-10-31 23:59"))
    campaign = reports()
    rows = rows_of(run(campaign))
    [before] = mails(rows)
    happened(reader, utc("2026-11-01 00:00"), utc("2026-11-02 00:00"), utc("2026-08-31 23:59"))
    campaign.settings, campaign.zone = {"top": 0}, "Asia/Tokyo"
    db.session.commit()
    [after] = mails(rows_of())
    assert (before.subject, before.text, before.html) == (after.subject, after.text, after.html)


def test_nothing_to_report_any_more() -> None:
    [reader] = make_people(1)
    happened(reader, utc("2026-10-05 10:00"))
    rows = rows_of(run(reports()))
    kind = KINDS["monthly_report"]
    assert kind.unwanted(owed(rows)[0]) is None
    db.session.execute(delete(Activity))
    db.session.commit()
    assert kind.unwanted(owed(rows)[0]) == "there is no activity left to report"


def test_many_rows_are_loaded_together_as_they_are_one_by_one() -> None:
    people = make_people(5)
    for number, reader in enumerate(people):
        happened(reader, *[utc("2026-10-05 10:00")] * (number + 1), object_key=f"{number}", object_title=f"{number}")
    rows = rows_of(run(reports()))
    kind: Any = KINDS["monthly_report"]
    together = kind.load(db.session(), rows)
    assert {row.id: kind.load(db.session(), [row])[row.id] for row in rows} == together
    assert [figures.counts.total() for figures in together.values()] == [1, 2, 3, 4, 5]
    assert kind.load(db.session(), []) == {}
    assert len(db.session.scalars(select(Notification.id)).all()) == 5
