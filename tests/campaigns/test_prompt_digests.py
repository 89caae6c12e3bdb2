"""Digests as soon as something happens: within five minutes, and at most one email an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update

from notifier.campaigns.prompt_runs import prompt
from notifier.consent import preferences
from notifier.consent.preferences import How
from notifier.database.expressions import number_of
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Frequency, Notification, Trigger
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run, tick
from tests.support.kinds import contexts, happened, rows_of

pytestmark = pytest.mark.usefixtures("frozen", "context")

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = 30 * SECOND
#: As a campaign stands after its first tick: next due tomorrow at seven.
TOMORROW = NOON + 19 * HOUR


def digests(**values: Any) -> Campaign:
    defaults = {"cron": "0 7 * * *", "created_at": NOON - 10 * DAY, "next_slot": TOMORROW, "next_run_at": TOMORROW}
    return make_campaign(**{"kind": "activity_digest", **defaults, **values})


def reader(frequency: Frequency = Frequency.immediate, **values: Any) -> int:
    [pk] = make_people(1, **values)
    preferences.decide(db.session(), pk, "digest", True, frequency, how=How.page, now=NOON - 9 * DAY)
    db.session.commit()
    return pk


def live(
    frozen: time_machine.Traveller,
    until: datetime,
    *,
    happens: Sequence[tuple[int, datetime]] = (),
    step: timedelta = TICK,
) -> None:
    """Tick every `step` until then; what is owed and due is sent at once. Things happen in between."""
    waiting, now = sorted(happens, key=lambda each: each[1]), NOON
    while now <= until:
        while waiting and waiting[0][1] <= now:
            happened(waiting[0][0], waiting[0][1])
            waiting.pop(0)
        frozen.move_to(now)
        called: list[int] = []
        tick(now, called)
        for run_id in called:
            expand(run_id)
        due = (Notification.status == "pending", Notification.next_attempt_at <= now + SECOND)
        db.session.execute(update(Notification).where(*due).values(status="sent", sent_at=now, settled_at=now))
        db.session.commit()
        now += step


def sent() -> list[tuple[int | None, datetime]]:
    """(to whom, when) of all that was sent."""
    db.session.rollback()
    found = select(Notification.user_id, Notification.sent_at).where(Notification.sent_at.is_not(None))
    return [(pk, at) for pk, at in db.session.execute(found.order_by(Notification.sent_at)) if at]


def test_it_comes_within_five_minutes_of_what_happened(frozen: time_machine.Traveller) -> None:
    digests()
    people = [reader() for _ in range(5)]
    happens = [(pk, NOON + number * 57 * SECOND + SECOND) for number, pk in enumerate(people)]
    live(frozen, NOON + 10 * MINUTE, happens=happens)
    took = [at - dict(happens)[pk] for pk, at in sent() if pk]
    assert len(took) == 5
    # The last minute is for the queue and the mail server.
    assert max(took) <= 4 * MINUTE + TICK


def test_whatever_happens_it_is_one_email_an_hour_and_nothing_is_lost(frozen: time_machine.Traveller) -> None:
    digests()
    [pk] = [reader()]
    happens = [(pk, NOON + number * 7 * MINUTE + SECOND) for number in range(27)]
    live(frozen, NOON + 4 * HOUR + 10 * MINUTE, happens=happens, step=4 * MINUTE)
    moments = [at for _, at in sent()]
    assert len(moments) == 4
    assert all(second - first >= HOUR for first, second in pairwise(moments))
    rows = rows_of()
    ends = [(row.params["since"], row.params["until"]) for row in rows]
    assert all(first[1] == second[0] for first, second in pairwise(ends))
    loaded = KINDS["activity_digest"].load(db.session(), rows)  # type: ignore[attr-defined]
    assert sum(digest.counts.total() for digest in loaded.values()) == 27


@pytest.mark.parametrize("status", ["cancelled", "skipped", "failed"])
def test_an_email_that_never_went_does_not_make_the_next_one_come_sooner(
    frozen: time_machine.Traveller, status: str
) -> None:
    campaign, user_id = digests(), reader()
    live(frozen, NOON + 6 * MINUTE, happens=[(user_id, NOON)])
    [(_, first)] = sent()
    values = {"campaign_id": campaign.id, "user_id": user_id, "recipient": "a@example.com", "dedupe_key": "x~1"}
    db.session.add(Notification(kind="activity_digest", status=status, settled_at=NOON, created_at=NOON, **values))
    db.session.commit()
    live(frozen, NOON + 2 * HOUR, happens=[(user_id, NOON + 7 * MINUTE)], step=4 * MINUTE)
    assert sent()[1][1] - first >= HOUR


def test_in_quiet_hours_it_waits_and_comes_as_one_email_right_after(frozen: time_machine.Traveller) -> None:
    digests(quiet_from="12:00", quiet_to="14:30")
    here, there = reader(timezone="UTC"), reader(timezone="Asia/Tokyo")
    happens = [(pk, NOON + number * 20 * MINUTE + SECOND) for pk in (here, there) for number in range(6)]
    live(frozen, NOON + 2 * HOUR + 40 * MINUTE, happens=happens, step=4 * MINUTE)
    by_user = {pk: [at for user, at in sent() if user == pk] for pk in (here, there)}
    [once] = by_user[here]
    assert NOON + 150 * MINUTE <= once <= NOON + 155 * MINUTE
    assert by_user[there][0] <= NOON + 5 * MINUTE


def test_a_run_between_slots_looks_at_nobody_else() -> None:
    campaign = digests()
    now, weekly, daily = reader(), reader(Frequency.weekly), reader(Frequency.daily)
    make_people(3)
    for pk in (now, weekly, daily):
        happened(pk, NOON - 8 * DAY, NOON - MINUTE)
    [run_id] = prompt(db.session, KINDS, NOON)
    assert expand(run_id)
    assert ([row.user.id for row in rows_of() if row.user], run_row(run_id).excluded) == ([now], {})
    assert run_row(run_id).trigger == Trigger.prompt
    assert run_row(run_id).campaign_id == campaign.id


def test_without_news_and_without_such_people_there_is_no_run(frozen: time_machine.Traveller) -> None:
    digests()
    reader()
    happened(reader(Frequency.daily), NOON + MINUTE)
    live(frozen, NOON + 10 * MINUTE)
    assert db.session.scalars(select(CampaignRun)).all() == []


def test_a_moment_is_asked_about_once_however_many_ticks_there_are() -> None:
    digests()
    happened(reader(), NOON - MINUTE)
    made = [prompt(db.session, KINDS, NOON + number * TICK) for number in range(4)]
    assert [len(runs) for runs in made] == [1, 0, 0, 0]
    # And not again while nobody has looked at the people of the last run.
    assert prompt(db.session, KINDS, NOON + 5 * MINUTE) == []
    expand(made[0][0])
    happened(reader(), NOON + 6 * MINUTE)
    assert len(prompt(db.session, KINDS, NOON + 10 * MINUTE)) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"state": "paused"},
        {"cron": None, "next_slot": None, "next_run_at": None},
        {"start_at": NOON + DAY},
        {"kind": "monthly_report"},
        {"settings": {"max_items": 0}},
    ],
)
def test_a_campaign_that_does_not_go_prompts_nobody(values: dict[str, Any]) -> None:
    digests(**values)
    happened(reader(), NOON - 30 * DAY, NOON - MINUTE)
    assert prompt(db.session, KINDS, NOON) == []


@pytest.mark.parametrize("local", [False, True])
def test_slots_of_the_schedule_are_for_the_others_then(local: bool, frozen: time_machine.Traveller) -> None:
    campaign = digests(recipient_local=local)
    now, daily = reader(), reader(Frequency.daily)
    for pk in (now, daily):
        happened(pk, NOON - 2 * DAY)
    live(frozen, NOON + MINUTE)
    assert [pk for pk, _ in sent()] == [now]
    happened(now, NOON + 30 * MINUTE)
    db.session.refresh(campaign)
    run_id = start_run(campaign, TOMORROW)
    expand(run_id)
    assert ([row.user.id for row in rows_of(run_id) if row.user], run_row(run_id).excluded) == ([daily], {"prompt": 1})


def test_a_reader_who_changes_to_it_is_told_what_the_weekly_one_had_not_told(frozen: time_machine.Traveller) -> None:
    campaign = digests(created_at=NOON - 40 * DAY)
    pk = reader(Frequency.weekly)
    happened(pk, NOON - 10 * DAY, NOON - DAY)
    expand(start_run(campaign, NOON - 3 * DAY))
    db.session.execute(update(Notification).values(status="sent", sent_at=NOON - 3 * DAY))
    preferences.decide(db.session(), pk, "digest", True, Frequency.immediate, how=How.page, now=NOON)
    db.session.commit()
    live(frozen, NOON)
    first, second = rows_of()
    assert first.params["until"] == second.params["since"] == number_of(NOON - 3 * DAY)
    assert contexts([second])[0]["summary"] == "1 like"
