"""The state of the ledger and of what sends, as monitoring sees it: each gauge moves when it should, and back."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import insert, select, text, update

from notifier import clock, ledger
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, ProviderHold, RunState, Status, TransportState
from notifier.observability import gauges, heartbeats, ledger_counts
from notifier.reasons import ReasonCode
from notifier.services import services_of
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")

Look = Callable[[], dict[tuple[str, ...], float]]


@pytest.fixture
def look(context: Flask) -> Look:
    """All gauges: the name, then the values of the labels."""
    names = services_of(context).transports.names

    def read() -> dict[tuple[str, ...], float]:
        db.session.rollback()
        now = clock.now()
        found = gauges.readings(db.session(), now, lease_now=now, transports=names)
        db.session.rollback()
        return {(each.metric.name, *each.labels): each.value for each in found}

    return read


def test_what_is_due_is_counted_by_queue_with_the_age_of_the_oldest(
    context: Flask, look: Look, frozen: time_machine.Traveller
) -> None:
    assert look()["due", "transactional"] == look()["oldest_due_seconds", "transactional"] == 0
    first, _, third = make_owed(1), make_owed(2), make_owed(3)
    db.session.execute(update(Notification).where(Notification.id == third).values(bulk=True))
    db.session.commit()
    frozen.shift(150)
    seen = look()
    assert (seen["due", "transactional"], seen["due", "bulk"]) == (2, 1)
    assert (seen["oldest_due_seconds", "transactional"], seen["oldest_due_seconds", "bulk"]) == (150, 150)
    ledger.defer(db.session(), [first, third], until=NOON + timedelta(hours=1), code=ReasonCode.transport_held)
    db.session.commit()
    assert (look()["due", "transactional"], look()["oldest_due_seconds", "bulk"]) == (1, 0)


def test_leases_are_overdue_by_the_clock_of_the_database(
    context: Flask, look: Look, frozen: time_machine.Traveller
) -> None:
    ledger.claim(db.session(), [make_owed(1)], now=NOON, lease=timedelta(seconds=30), owner="a worker")
    db.session.commit()
    assert (look()["leases",], look()["lease_overdue",]) == (1, 0)
    frozen.shift(31)
    assert (look()["leases",], look()["lease_overdue",]) == (1, 1)
    ledger.expire_leases(db.session(), now=clock.now(), limit=5)
    db.session.commit()
    assert (look()["leases",], look()["lease_overdue",]) == (0, 0)


def test_uncertain_emails_are_open_until_they_are_decided(context: Flask, look: Look) -> None:
    pk = make_owed(1)
    db.session.execute(update(Notification).where(Notification.id == pk).values(status="unknown"))
    db.session.commit()
    assert look()["unknown_open",] == 1
    ledger.decide_unknown(db.session(), [Notification.id == pk], Status.sent, now=NOON, operator="ada")
    db.session.commit()
    assert look()["unknown_open",] == 0


def test_what_is_held_is_named_without_a_domain(context: Flask, look: Look) -> None:
    assert look()["held", "all_transports", "held"] == 0
    (name,) = services_of(context).transports.names
    db.session.add(TransportState(name=name, held_since=NOON, phase="auth", probes=0))
    for scope in ("gmail", "secret-customer.example"):
        hold = {"key": f"{name}:{scope}", "transport": name, "scope": scope, "held_since": NOON, "phase": "mail"}
        db.session.execute(insert(ProviderHold).values(**hold, text="no", next_probe_at=NOON))
    db.session.commit()
    seen = look()
    assert seen["held", "all_transports", "held"] == 1
    assert seen["held", name, "auth"] == 1
    assert seen["held", "gmail", "provider_refuses"] == seen["held", "other", "provider_refuses"] == 1
    assert not any("secret" in part for labels in seen for part in labels)
    db.session.execute(update(TransportState).values(held_since=None))
    db.session.commit()
    assert look()["held", "all_transports", "held"] == 0


def test_a_transport_that_the_settings_no_longer_have_holds_nothing(context: Flask, look: Look) -> None:
    db.session.add(TransportState(name="gone", held_since=NOON, phase="auth", probes=0))
    db.session.commit()
    assert look()["held", "all_transports", "held"] == 0


def test_a_job_that_never_ran_is_infinitely_old(context: Flask, look: Look, frozen: time_machine.Traveller) -> None:
    assert look()["beat_age_seconds",] == look()["sweep_age_seconds",] == math.inf
    for name in ("tick", "sweep"):
        heartbeats.beat(db.session(), name, NOON)
    db.session.commit()
    frozen.shift(12)
    assert (look()["beat_age_seconds",], look()["sweep_age_seconds",]) == (12, 12)


def test_runs_show_when_they_come_and_how_far_they_are(
    context: Flask, look: Look, frozen: time_machine.Traveller
) -> None:
    campaign = Campaign(name="news", title="News", kind="announcement", next_run_at=NOON + timedelta(seconds=60))
    db.session.add(campaign)
    db.session.flush()
    run = CampaignRun(campaign_id=campaign.id, slot=NOON, trigger="schedule", state=RunState.sending, planned=4)
    db.session.add(run)
    db.session.commit()
    run_id = run.id
    for number in range(1, 5):
        make_owed(number)
    db.session.execute(update(Notification).values(run_id=run_id))
    db.session.execute(update(Notification).where(Notification.id <= 1).values(status="sent"))
    db.session.commit()
    frozen.shift(90)
    assert (look()["next_run_seconds", "news"], look()["run_progress", "news"]) == (-30, 0.25)
    db.session.execute(update(CampaignRun).values(state=RunState.paused, reason_code="too_many_dead"))
    db.session.commit()
    assert look()["held", "run", "too_many_dead"] == 1


def _wait(emails: int) -> None:
    """Add so many due emails."""
    row = dict(
        db.session.execute(select(Notification.__table__).where(Notification.id == make_owed(1))).mappings().one()
    )
    rows = [row | {"id": 100 + number, "dedupe_key": f"x:{number}"} for number in range(emails - 1)]
    db.session.execute(insert(Notification.__table__), rows)
    db.session.commit()


def test_each_number_is_exact_up_to_the_limit(context: Flask, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_counts, "FEW", 10)
    _wait(40)
    db.session.execute(update(Notification).where(Notification.id < 104).values(status="unknown"))
    db.session.execute(update(Notification).where(Notification.id >= 128).values(bulk=True))
    db.session.commit()
    seen = look()
    assert (seen["due", "transactional"], seen["due", "bulk"], seen["unknown_open",]) == (24, 11, 5)


def test_above_the_limit_the_planner_answers(context: Flask, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_counts, "EXACT_UP_TO", 100)
    _wait(301)
    db.session.execute(update(Notification).where(Notification.id < 104).values(status="unknown"))
    db.session.commit()
    is_postgres = db.engine.dialect.name == "postgresql"
    if is_postgres:
        db.session.execute(text("ANALYZE notifier_notifications"))
        db.session.commit()
    seen = look()
    assert 150 < seen["due", "transactional"] < 600 if is_postgres else seen["due", "transactional"] == 296
    assert seen["unknown_open",] == 5
