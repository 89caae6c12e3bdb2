"""The tick: every slot becomes one run, or a row that says why not."""

import threading
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from notifier.campaigns.tick import Tick
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, Status
from notifier.observability import heartbeats
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, run_row, start_run, tick

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


def slots() -> dict[datetime, tuple[str, str | None]]:
    db.session.rollback()
    rows = db.session.execute(select(CampaignRun.slot, CampaignRun.state, CampaignRun.reason))
    return {slot: (state, reason) for slot, state, reason in rows}


def stored(campaign_id: int) -> Campaign:
    db.session.rollback()
    return db.session.get_one(Campaign, campaign_id, populate_existing=True)


def test_a_slot_becomes_one_run_and_the_campaign_waits_for_the_next() -> None:
    campaign, called = make_campaign().id, []
    assert tick(SLOT - timedelta(seconds=1)).started == []
    first = tick(SLOT + timedelta(seconds=20), called)
    assert tick(SLOT + timedelta(seconds=50), called).started == []
    assert called == first.started
    run = run_row(first.started[0])
    assert (run.slot, run.state, run.trigger, run.deadline) == (SLOT, "due", "schedule", SLOT + 3 * DAY)
    assert (stored(campaign).next_slot, stored(campaign).next_run_at) == (SLOT + DAY, SLOT + DAY)
    assert heartbeats.ages(db.session(), SLOT + timedelta(seconds=60))["tick"] == 10


def test_ticks_at_once_make_one_run_for_each_slot(app: Flask) -> None:
    for number in range(4):
        make_campaign(f"news-{number}", misfire="run_late", coalesce=False)
    db.session.remove()
    called: list[int] = []
    gate = threading.Barrier(4)

    def work() -> None:
        with app.app_context():
            beat = Tick(db.session, lambda runs: called.extend(runs) is None, KINDS)
            gate.wait()
            for day in range(5):
                assert beat.run(SLOT + day * DAY).failed == []

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = db.session.execute(select(CampaignRun.campaign_id, CampaignRun.slot)).all()
    assert len(runs) == len(set(runs)) == 20
    assert set(called) == set(db.session.scalars(select(CampaignRun.id)))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({}, ["coalesced", "coalesced", "due"]),
        ({"coalesce": False}, ["due", "due", "due"]),
        ({"misfire": "skip"}, ["missed", "missed", "missed"]),
        ({"misfire": "within", "misfire_within": 30 * 3600, "coalesce": False}, ["missed", "due", "due"]),
        ({"lifetime": 36 * 3600, "coalesce": False}, ["missed", "due", "due"]),
    ],
)
def test_slots_that_nobody_ran_become_rows_as_the_policy_says(policies: dict[str, object], expected: list[str]) -> None:
    """The scheduler was away over three slots."""
    make_campaign(**policies)
    ticked = tick(SLOT + 2 * DAY + timedelta(hours=1))
    found = slots()
    assert [found[SLOT + day * DAY][0] for day in range(3)] == expected
    assert len(ticked.started) == expected.count("due")
    assert all(reason for state, reason in found.values() if state != "due")


def test_an_edit_acts_at_the_next_tick() -> None:
    make_campaign()
    db.session.execute(update(Campaign).values(next_slot=NOON, next_run_at=NOON, cron="0 12 * * *", version=2))
    db.session.commit()
    assert tick(SLOT).started == []
    assert len(tick(NOON).started) == 1


@pytest.mark.parametrize(("field", "value"), [("version", 0), ("next_run_at", SLOT - timedelta(seconds=1))])
def test_who_moves_the_campaign_must_have_seen_the_newest(
    monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    """An edit, or another tick, was committed between reading and moving: the slot is left to the next tick."""
    campaign = make_campaign()
    beat = Tick(db.session, lambda runs: True, KINDS)
    advance = beat._advance

    def outdated(session: Session, seen: Campaign, slot: datetime, now: datetime) -> object:
        set_committed_value(seen, field, value)
        return advance(session, seen, slot, now)

    monkeypatch.setattr(beat, "_advance", outdated)
    assert beat.run(SLOT).started == []
    assert slots() == {}
    assert (stored(campaign.id).next_run_at, stored(campaign.id).version) == (SLOT, 1)


@pytest.mark.parametrize("state", ["paused", "archived"])
def test_a_campaign_that_is_not_active_does_not_fire(state: str) -> None:
    make_campaign(state=state)
    assert tick(SLOT + DAY).started == []
    assert slots() == {}


def test_a_campaign_that_cannot_be_read_stops_no_other() -> None:
    broken = make_campaign("broken", cron="not a cron")
    make_campaign("whole")
    ticked = tick(SLOT)
    assert (ticked.failed, len(ticked.started)) == ([broken.id], 1)
    assert stored(broken.id).next_run_at == SLOT


def test_where_readers_clocks_count_the_run_starts_with_the_first_of_them() -> None:
    """Nine in the campaign's zone is nine somewhere fourteen hours before UTC's."""
    make_campaign(recipient_local=True, next_run_at=SLOT - timedelta(hours=14))
    assert tick(SLOT - timedelta(hours=14, seconds=1)).started == []
    run = run_row(tick(SLOT - timedelta(hours=14)).started[0])
    assert (run.slot, run.deadline) == (SLOT, SLOT + timedelta(hours=12) + 3 * DAY)


def test_an_expansion_that_stands_still_is_called_for_again(frozen: time_machine.Traveller) -> None:
    run_id, called = start_run(make_campaign(next_run_at=None), state="expanding", touched_at=NOON), []
    assert tick(NOON + timedelta(seconds=59), called).resumed == []
    assert tick(NOON + timedelta(seconds=60), called).resumed == [run_id]
    assert tick(NOON + timedelta(seconds=90), called).resumed == []
    assert called == [run_id]


def test_a_bell_that_nobody_took_is_rung_again() -> None:
    run_id = start_run(make_campaign(next_run_at=None), touched_at=NOON)
    later = NOON + timedelta(seconds=60)
    assert Tick(db.session, lambda runs: not runs, KINDS).run(later).resumed == []
    assert tick(later).resumed == [run_id]


def test_a_run_is_over_when_all_its_mails_are_at_rest() -> None:
    make_people(2)
    run_id = start_run(make_campaign(next_run_at=None))
    expand(run_id)
    assert tick(NOON).finished == []
    first, second = db.session.scalars(select(Notification.id)).all()
    db.session.execute(update(Notification).where(Notification.id == first).values(status=Status.sent))
    db.session.execute(update(Notification).where(Notification.id == second).values(status=Status.sending))
    db.session.commit()
    assert tick(NOON).finished == []
    db.session.execute(update(Notification).where(Notification.id == second).values(status=Status.unknown))
    db.session.commit()
    assert tick(NOON).finished == [run_id]
    run = run_row(run_id)
    assert (run.state, run.totals, run.finished_at) == ("done", {"sent": 1, "unknown": 1}, NOON)
    assert tick(NOON).finished == []


def test_the_jobs_tick_and_expand(app: Flask, enqueued: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    make_campaign()
    make_people(2)
    called: list[int] = []
    monkeypatch.setattr(services_of(app).tick, "_enqueue", lambda runs: called.extend(runs) is None)
    tasks = services_of(app).celery.tasks
    assert tasks["notifier.tick"]() == {"started": 1, "prompted": 0, "resumed": 0, "finished": 0, "failed": 0}
    assert called == db.session.scalars(select(CampaignRun.id)).all()
    db.session.rollback()
    assert tasks["notifier.expand_run"](*called) == {"run": called[0], "expanded": 1}
    assert sorted(enqueued) == sorted(db.session.scalars(select(Notification.id)))
