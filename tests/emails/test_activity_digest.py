"""Digests: due at the right time, without gap or overlap, even if runs are late, repeated or missing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from notifier import audience
from notifier.consent import preferences
from notifier.consent.preferences import How
from notifier.database.expressions import moment_of
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Activity, Campaign, CampaignRun, DigestMark, Preference
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.kinds import contexts, happened, mails, owed, rows_of
from tests.support.zones import utc

pytestmark = pytest.mark.usefixtures("frozen", "context")

INSTANT = timedelta(microseconds=1)
#: A Wednesday; the campaign was made on the Tuesday of the week before.
MADE, SLOT = utc("2026-11-10 15:00"), utc("2026-11-18 08:00")


def digests(zone: str = "UTC", **values: Any) -> Campaign:
    return make_campaign(kind="activity_digest", zone=zone, **{"created_at": MADE, "cron": "0 8 * * *"} | values)


def run(campaign: Campaign, slot: datetime = SLOT) -> int:
    run_id = start_run(campaign, slot)
    assert expand(run_id)
    return run_id


def want(user_id: int, frequency: str) -> None:
    preferences.decide(db.session(), user_id, "digest", frequency != "never", frequency, how=How.page)
    db.session.commit()


def reader(frequency: str = "daily", **values: Any) -> int:
    [user_id] = make_people(1, **values)
    want(user_id, frequency)
    return user_id


def window(run_id: int) -> list[tuple[datetime, datetime]]:
    """[since, until) of the digests of this run."""
    return [tuple(moment_of(row.params[end]) for end in ("since", "until")) for row in rows_of(run_id)]


def marks() -> dict[int, datetime]:
    db.session.rollback()
    return {mark.user_id: mark.until for mark in db.session.scalars(select(DigestMark))}


def why_not(campaign: Campaign, user_id: int, slot: datetime = SLOT) -> str | None:
    return audience.judge(db.session(), audience.occasion_of(campaign, slot, KINDS), [user_id])[user_id].code


@pytest.mark.parametrize(
    ("frequency", "since"),
    [
        ("immediate", "2026-11-09 00:00"),
        ("daily", "2026-11-09 00:00"),
        ("weekly", "2026-11-02 00:00"),
        ("monthly", "2026-10-01 00:00"),
    ],
)
def test_the_first_window_begins_a_full_period_before_the_campaign_was_made(frequency: str, since: str) -> None:
    user_id = reader(frequency)
    late = reader(frequency, created_at=utc("2026-11-10 16:00"))
    for one in (user_id, late):
        happened(one, utc(since) - INSTANT, utc("2026-10-31 12:00"), utc("2026-11-15 12:00"))
    campaign, slot = digests(), utc("2026-12-01 08:00")
    assert window(run(campaign, slot)) == [(utc(since), slot), (utc("2026-11-10 16:00"), slot)]
    assert marks() == {user_id: slot, late: slot}


@pytest.mark.parametrize(
    ("zone", "frequency", "boundary"),
    [
        ("UTC", "immediate", "2026-11-18 08:00"),
        ("America/New_York", "daily", "2026-11-18 05:00"),
        ("America/New_York", "weekly", "2026-11-16 05:00"),
        ("America/New_York", "monthly", "2026-11-01 04:00"),
    ],
)
def test_due_when_the_mark_and_some_news_are_before_the_boundary(zone: str, frequency: str, boundary: str) -> None:
    user_id, end, campaign = reader(frequency), utc(boundary), digests(zone)
    mark = DigestMark(campaign_id=campaign.id, user_id=user_id, until=end)
    db.session.add(mark)
    happened(user_id, end - INSTANT, end)
    assert why_not(campaign, user_id) == "not_due"
    mark.until = end - INSTANT
    db.session.commit()
    assert why_not(campaign, user_id) is None
    db.session.execute(delete(Activity).where(Activity.occurred_at < end))
    db.session.commit()
    assert why_not(campaign, user_id) == "nothing_new"


def test_a_week_without_news_does_not_make_the_weekly_digest_come_on_any_day() -> None:
    user_id, campaign = reader("weekly"), digests()
    happened(user_id, utc("2026-11-16 10:00"))
    codes = [run_row(run(campaign, SLOT + timedelta(days=day))).excluded for day in range(-2, 5)]
    assert codes == [{"nothing_new": 1}] * 7
    assert window(run(campaign, utc("2026-11-23 08:00"))) == [(utc("2026-11-02 00:00"), utc("2026-11-23 08:00"))]


def test_whoever_wants_none_gets_none_and_is_told_so() -> None:
    user_id, campaign = reader("never"), digests()
    happened(user_id, utc("2026-11-17 10:00"))
    assert why_not(campaign, user_id) == "opted_out"
    db.session.execute(update(Preference).values(wanted=True, frequency="never"))
    db.session.commit()
    assert why_not(campaign, user_id) == "no_digest_wanted"


def test_only_the_marks_of_those_who_are_owed_one_move_and_never_back() -> None:
    busy, idle = reader(), reader()
    happened(busy, utc("2026-11-17 10:00"), utc("2026-11-19 10:00"))
    campaign, other = digests(), digests(name="other")
    run(campaign)
    assert marks() == {busy: SLOT}
    run(campaign, SLOT + timedelta(days=2))
    assert marks() == {busy: SLOT + timedelta(days=2)}
    assert run_row(run(campaign, SLOT + timedelta(days=1))).excluded == {"not_due": 1, "nothing_new": 1}
    assert marks() == {busy: SLOT + timedelta(days=2)}
    assert why_not(other, busy) is None
    assert why_not(campaign, idle) == "nothing_new"


def expand_again(run_id: int) -> None:
    db.session.execute(update(CampaignRun).where(CampaignRun.id == run_id).values(state="due", cursor=0))
    db.session.commit()
    assert expand(run_id)


def test_expanding_again_moves_nothing() -> None:
    user_id, campaign = reader("immediate"), digests()
    happened(user_id, SLOT - INSTANT, SLOT)
    run_id, soon = run(campaign), SLOT + INSTANT
    first = window(run_id)
    expand_again(run_id)
    assert (window(run_id), marks()) == (first, {user_id: SLOT})
    assert window(run(campaign, soon)) == [(SLOT, soon)]
    expand_again(run_id)
    assert marks() == {user_id: soon}


def test_what_happens_at_the_very_slot_is_in_the_next_digest() -> None:
    campaign, later = digests(), SLOT + timedelta(days=1)
    happened(reader("immediate"), SLOT - INSTANT, SLOT, later - INSTANT, later)
    rows = [*rows_of(run(campaign)), *rows_of(run(campaign, later))]
    assert [digest["summary"] for digest in contexts(rows)] == ["1 like", "2 likes"]


def test_a_mail_that_goes_before_the_slot_ends_its_window_when_it_goes() -> None:
    here, early, late = (reader(timezone=zone) for zone in ("UTC", "Asia/Tokyo", "America/New_York"))
    for user_id in (here, early, late):
        happened(user_id, utc("2026-11-17 10:00"), SLOT - INSTANT, SLOT)
    run_id = run(digests(recipient_local=True))
    gone = SLOT - timedelta(hours=9)
    assert [until for _, until in window(run_id)] == [SLOT, gone, SLOT]
    assert marks() == {here: SLOT, early: gone, late: SLOT}


def test_what_is_owed_stays_wanted_although_the_expansion_moved_the_mark() -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, utc("2026-11-17 10:00"))
    run(campaign)
    occasion = audience.occasion_of(campaign, SLOT, KINDS)
    assert audience.judge(db.session(), occasion, [user_id], lasting_only=True)[user_id].code is None
    want(user_id, "never")
    assert audience.judge(db.session(), occasion, [user_id], lasting_only=True)[user_id].code is not None


def test_likes_on_one_thing_are_one_line_and_what_matters_more_comes_first() -> None:
    user_id, start = reader(), utc("2026-11-16 10:00")
    people = ("Ada", "Bo", "Cy", "Di", "Ed")
    for number, actor in enumerate(people):
        happened(user_id, start + number * timedelta(hours=1), actor=actor)
    happened(
        user_id, start, start + timedelta(hours=2), kind="comment", actor="Fay", object_title="Boat", object_key="b"
    )
    happened(user_id, start, actor="Gus", object_title="Boat", object_key="b")
    happened(user_id, start, actor="Hal", kind="follow", object_key="x")
    happened(user_id, start, actor="Ida", kind="follow", object_key="y")
    happened(user_id, start, actor="Jo", kind="friend_request", object_key="")
    happened(user_id, start, actor="Kim", kind="poke", object_title="", object_key="z")
    [digest] = contexts(rows_of(run(digests())))
    assert [" ".join(line) for line in digest["lines"]] == [
        "Jo sent you a friend request  Monday, 16 November",
        "Fay commented on “Boat” 2 comments · Monday, 16 November",
        "Ida and Hal started following you  Monday, 16 November",
        "Ed, Di and 3 others liked “Night train” Monday, 16 November",
        "Gus liked “Boat” Monday, 16 November",
        "Kim was active on something of yours Monday, 16 November",
    ]
    assert digest["summary"] == "1 friend request, 2 comments, 2 new followers, 6 likes and 1 other activity"
    assert (digest["headline"], digest["rest"], digest["more"]) == ("Jo sent you a friend request", "11", "")


def test_at_most_so_many_lines_and_how_many_more() -> None:
    user_id, at = reader(), utc("2026-11-16 10:00")
    for number in range(5):
        at_this = at + timedelta(minutes=number)
        happened(user_id, at_this, at_this, object_key=f"{number}", object_title=f"Thing {number}")
    rows = rows_of(run(digests(settings={"max_items": 2})))
    [digest], [mail] = contexts(rows), mails(rows)
    assert [line[2] for line in digest["lines"]] == ["“Thing 4”", "“Thing 3”"]
    assert (digest["more"], digest["rest"]) == ("6", "8")
    assert mail.subject == "Ada liked “Thing 4”, and 8 more"
    assert "\n* and 6 more\n" in mail.text
    assert ">and 6 more<" in mail.html
    assert contexts(rows_of(run(digests(name="all"))))[0]["more"] == ""


def test_the_same_bytes_whatever_happens_later() -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, utc("2026-11-16 10:00"), utc("2026-11-16 10:00"), SLOT - INSTANT)
    happened(user_id, utc("2026-11-16 10:00"), actor="Bo")
    [before] = mails(rows_of(run(campaign)))
    happened(user_id, SLOT, SLOT + INSTANT, utc("2026-11-09 00:00") - INSTANT)
    campaign.settings = {"max_items": 1}
    db.session.commit()
    run(campaign, SLOT + timedelta(days=1))
    after = mails(rows_of())[0]
    assert (before.subject, before.text, before.html) == (after.subject, after.text, after.html)


def test_nothing_to_tell_any_more() -> None:
    happened(reader(), utc("2026-11-16 10:00"))
    rows = rows_of(run(digests()))
    kind = KINDS["activity_digest"]
    assert kind.unwanted(owed(rows)[0]) is None
    db.session.execute(delete(Activity))
    db.session.commit()
    assert kind.unwanted(owed(rows)[0]) == "there is no activity left to report"


def test_many_rows_are_loaded_together_as_they_are_one_by_one() -> None:
    for number in range(5):
        happened(reader(), *[utc("2026-11-16 10:00")] * (number + 1), object_key=f"{number}")
    rows = rows_of(run(digests()))
    kind: Any = KINDS["activity_digest"]
    together = kind.load(db.session(), rows)
    assert {row.id: kind.load(db.session(), [row])[row.id] for row in rows} == together
    assert [digest.counts.total() for digest in together.values()] == [1, 2, 3, 4, 5]
    assert kind.load(db.session(), []) == {}


def test_switched_on_again_it_tells_one_period_and_counts_what_is_older() -> None:
    """Off for four weeks: the last week line by line, the rest as a number, and no gap in what it covers."""
    user_id, campaign = reader("weekly"), digests(created_at=MADE - timedelta(days=60))
    happened(user_id, SLOT - timedelta(days=40))
    before = run(campaign, SLOT - timedelta(days=35))
    want_at(user_id, "never", SLOT - timedelta(days=30))
    happened(user_id, *[SLOT - timedelta(days=20)] * 37, actor="Bo")
    want_at(user_id, "weekly", SLOT - timedelta(days=1))
    happened(user_id, SLOT - timedelta(days=5), kind="comment")
    later = run(campaign)
    assert (window(before)[0][1], window(later)[0][0]) == (SLOT - timedelta(days=35),) * 2
    rows = rows_of(later)
    [digest], [mail] = contexts(rows), mails(rows)
    assert (digest["since"], digest["summary"], digest["older"]) == (
        "Wednesday, 11 November",
        "1 comment",
        "37 older ones",
    )
    assert len(digest["lines"]) == 1
    assert "\n* and 37 older ones\n" in mail.text
    assert ">and 37 older ones<" in mail.html
    happened(user_id, SLOT + timedelta(hours=1))
    [after] = contexts(rows_of(run(campaign, SLOT + timedelta(days=7))))
    assert (after["older"], after["summary"]) == ("", "1 like")


def test_after_an_outage_all_that_happened_since_it_was_switched_on_is_told() -> None:
    user_id, campaign = reader("never"), digests(created_at=MADE - timedelta(days=60))
    happened(user_id, SLOT - timedelta(days=40))
    want_at(user_id, "weekly", SLOT - timedelta(days=25))
    happened(user_id, SLOT - timedelta(days=20), SLOT - timedelta(days=3))
    [digest] = contexts(rows_of(run(campaign)))
    assert (digest["summary"], digest["older"]) == ("2 likes", "1 older one")


def test_old_things_alone_are_no_email_and_are_counted_in_the_next() -> None:
    user_id, campaign = reader("never"), digests(created_at=MADE - timedelta(days=60))
    happened(user_id, SLOT - timedelta(days=40))
    want_at(user_id, "weekly", SLOT - timedelta(days=1))
    assert why_not(campaign, user_id) == "nothing_new"
    assert rows_of(run(campaign)) == []
    happened(user_id, SLOT + timedelta(days=1))
    [digest] = contexts(rows_of(run(campaign, SLOT + timedelta(days=7))))
    assert (digest["summary"], digest["older"]) == ("1 like", "1 older one")


def want_at(user_id: int, frequency: str, at: datetime) -> None:
    preferences.decide(db.session(), user_id, "digest", frequency != "never", frequency, how=How.page, now=at)
    db.session.commit()
