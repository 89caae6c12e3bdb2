"""People pause, resume, cancel and start campaigns; health sees what stands still."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from notifier import ledger
from notifier.campaigns import control
from notifier.campaigns.control import RunEffects
from notifier.campaigns.errors import CampaignError
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification
from notifier.observability import healthcheck
from notifier.reasons import ReasonCode
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, run_row, start_run, tick

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


@pytest.fixture
def run_effects() -> RunEffects:
    return RunEffects(db.session, lambda runs: True, chunk=2)


def statuses() -> dict[str, int]:
    db.session.rollback()
    rows = db.session.execute(select(Notification.status, func.count()).group_by(Notification.status))
    return {status: number for status, number in rows}  # noqa: C416 - rows are no pairs to mypy


def stored(name: str = "news") -> Campaign:
    db.session.rollback()
    query = select(Campaign).where(Campaign.name == name)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def test_a_paused_campaign_stops_and_goes_on_where_it_was(run_effects: RunEffects) -> None:
    people = make_people(6)
    campaign = make_campaign()
    run_id = start_run(campaign)
    expand(run_id)
    half = start_run(campaign, SLOT + timedelta(hours=1), state="expanding", cursor=people[-1])
    paused = control.pause(db.session(), control.find(db.session(), "news"), reason="a typo")
    db.session.commit()
    assert sorted(paused) == [run_id, half]
    assert (stored().state, stored().paused_reason) == ("paused", "a typo")
    assert tick(SLOT + DAY).started == []
    resumed = control.resume(db.session(), control.find(db.session(), "news"))
    db.session.commit()
    assert (run_row(run_id).state, run_row(half).state) == ("sending", "expanding")
    assert sorted(resumed) == [run_id, half]
    # The slots that it missed meanwhile are judged by its policy.
    assert tick(SLOT + DAY + timedelta(hours=1)).slots == {"coalesced": 1, "due": 1}


def test_a_run_that_a_person_paused_stays_paused(run_effects: RunEffects) -> None:
    campaign = make_campaign()
    run_id = start_run(campaign)
    control.pause_run(db.session(), control.find_run(db.session(), run_id), ReasonCode.paused_by_hand, why="looks odd")
    control.pause(db.session(), campaign, reason="")
    assert control.resume(db.session(), campaign) == []
    db.session.commit()
    assert (run_row(run_id).state, run_row(run_id).reason) == ("paused", "looks odd")


def test_resume_wakes_what_waited_for_the_pause_and_nothing_else(run_effects: RunEffects) -> None:
    make_people(5)
    run_id = start_run(make_campaign(), state="sending")
    db.session.execute(update(CampaignRun).values(state="due"))
    expand(run_id)
    later = NOON + timedelta(hours=1)
    keys = db.session.scalars(select(Notification.id).order_by(Notification.id)).all()
    waiting = update(Notification).values(next_attempt_at=later, enqueue_at=later)
    db.session.execute(waiting.where(Notification.id.in_(keys[:4])).values(reason_code="run_paused"))
    db.session.execute(waiting.where(Notification.id == keys[4]).values(reason_code="rate_limited"))
    db.session.commit()
    assert run_effects.resumed([run_id]) == 4
    db.session.rollback()
    due = db.session.execute(
        select(Notification.next_attempt_at, Notification.reason_code).order_by(Notification.id)
    ).all()
    assert due == [(NOON, None)] * 4 + [(later, "rate_limited")]


def test_resume_waits_for_no_worker_that_holds_a_row(run_effects: RunEffects) -> None:
    """A worker defers rows in its own order: if both waited, the database would end one of them."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("one transaction writes at a time")
    make_people(3)
    run_id = start_run(make_campaign(), state="sending")
    db.session.execute(update(CampaignRun).values(state="due"))
    expand(run_id)
    key = db.session.scalar(select(func.min(Notification.id)))
    db.session.execute(update(Notification).values(reason_code="provider_paused"))
    db.session.commit()
    with db.engine.begin() as worker:
        worker.execute(select(Notification.id).where(Notification.id == key).with_for_update())
        db.session.execute(text("SET lock_timeout = '2s'"))
        db.session.commit()
        assert run_effects.resumed([run_id]) == 2
    assert run_effects.resumed([run_id]) == 1


def test_cancel_ends_what_waits_and_leaves_what_is_under_way(run_effects: RunEffects) -> None:
    make_people(6)
    run_id = start_run(make_campaign())
    expand(run_id)
    keys = db.session.scalars(select(Notification.id).order_by(Notification.id)).all()
    db.session.execute(update(Notification).where(Notification.id == keys[0]).values(status="sent"))
    db.session.execute(update(Notification).where(Notification.id == keys[1]).values(status="sending"))
    db.session.commit()
    control.cancel(db.session(), control.find(db.session(), "news"), reason="a mistake")
    db.session.commit()
    assert run_effects.cancelled([run_id]) == 4
    assert statuses() == {"sent": 1, "sending": 1, "cancelled": 4}
    assert run_row(run_id).finished_at is None
    # Where it comes back from the wire, the tick finds it.
    db.session.execute(update(Notification).where(Notification.id == keys[1]).values(status="pending"))
    db.session.commit()
    assert tick(NOON).finished == [run_id]
    row = run_row(run_id)
    assert (row.state, row.reason, row.totals) == ("cancelled", "a mistake", {"sent": 1, "cancelled": 5})


def test_an_archived_campaign_stays_so() -> None:
    campaign = make_campaign()
    control.cancel(db.session(), campaign, reason="done", archive=True)
    db.session.commit()
    assert (stored().state, stored().next_run_at) == ("archived", None)
    with pytest.raises(CampaignError, match="archived"):
        control.resume(db.session(), campaign)
    with pytest.raises(CampaignError, match="archived"):
        control.run_now(db.session(), campaign, KINDS)


def test_a_manual_run_is_made_once_for_a_slot() -> None:
    campaign = make_campaign()
    run_id = control.run_now(db.session(), campaign, KINDS)
    db.session.commit()
    assert (run_row(run_id).slot, run_row(run_id).trigger) == (NOON, "now")
    with pytest.raises(CampaignError, match=f"run {run_id} is due"):
        control.run_now(db.session(), campaign, KINDS)
    with pytest.raises(CampaignError, match="already have expired"):
        control.run_now(db.session(), campaign, KINDS, slot=NOON - 30 * DAY)


def test_a_slot_without_a_run_is_an_alert() -> None:
    make_campaign()

    def names(now: datetime) -> list[str]:
        return [finding.name for finding in healthcheck.examine(db.session(), now) if finding.name.startswith("camp")]

    assert names(SLOT + timedelta(minutes=5)) == []
    assert names(SLOT + timedelta(minutes=5, seconds=1)) == ["campaign news"]
    tick(SLOT + timedelta(minutes=6))
    assert names(SLOT + timedelta(minutes=6)) == []


def test_a_run_that_stands_still_is_an_alert() -> None:
    run_id = start_run(make_campaign(next_run_at=None), state="expanding", touched_at=NOON)
    found = healthcheck.examine(db.session(), NOON + timedelta(minutes=6))
    assert f"run {run_id}" in [finding.name for finding in found if not finding.ok]


def test_a_sentence_changed_by_hand_leaves_no_row_and_no_run_asleep(run_effects: RunEffects) -> None:
    make_people(2)
    run_id = start_run(make_campaign())
    expand(run_id)
    control.pause(db.session(), control.find(db.session(), "news"), reason="a typo")
    db.session.commit()
    pks = db.session.scalars(select(Notification.id)).all()
    ledger.hold_paused(db.session(), pks, until=NOON + timedelta(hours=1))
    db.session.execute(update(Notification).values(reason="seen by Ada"))
    db.session.execute(update(CampaignRun).values(reason="auf Deutsch"))
    db.session.commit()
    runs = control.resume(db.session(), control.find(db.session(), "news"))
    db.session.commit()
    assert (runs, run_effects.resumed(runs)) == ([run_id], 2)
