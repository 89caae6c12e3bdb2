"""The feed: every change is in it once, in an order that no reader can miss."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, insert, select

from notifier import ledger, retention
from notifier.campaigns import control, tick
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import How
from notifier.events import EventType, record
from notifier.extensions import db
from notifier.ledger import Settlement, StoredReply
from notifier.models import (
    CampaignRun,
    Event,
    EventDraft,
    Notification,
    RunState,
    Status,
    SuppressionReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from notifier.reasons import ReasonCode
from notifier.services import services_of
from notifier.testing.clocks import NOON
from notifier.webhooks import feed
from tests.support.applications import make_owed, make_user
from tests.support.campaigns import make_campaign, start_run
from tests.support.settled import claimed, settle

URL = "https://hooks.example/"
Add = Callable[..., WebhookEndpoint]


def published(app: Flask) -> list[tuple[str, dict[str, object]]]:
    services_of(app).publishing.run()
    found = [(each.type, each.data) for each in feed.read(db.session())]
    db.session.rollback()
    return found


def test_a_batch_of_settlements_is_one_draft(hooked: Flask, add: Add) -> None:
    add(URL)
    settle(claimed(5))
    assert db.session.scalars(select(func.count()).select_from(EventDraft)).one() == 1
    assert [name for name, _ in published(hooked)] == ["notification.sent"] * 5
    assert db.session.scalars(select(EventDraft)).all() == []


@pytest.mark.parametrize(
    ("to", "name"),
    [
        (Status.failed, "notification.failed"), (Status.unknown, "notification.unknown"),
        (Status.skipped, "notification.skipped"), (Status.suppressed, "notification.skipped"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_end_has_its_event(hooked: Flask, add: Add, to: Status, name: str) -> None:
    add(URL)
    settle(claimed(1), to, "refused")
    ((told, data),) = published(hooked)
    assert (told, data["status"], data["reason_code"]) == (name, to.value, "refused")


def test_an_email_that_waits_again_and_a_lost_claim_are_no_events(hooked: Flask, add: Add) -> None:
    add(URL)
    rows = claimed(3)
    ends = [
        Settlement(rows[0].id, rows[0].claim, Status.pending, 1, 0),
        Settlement(rows[1].id, rows[1].claim + 1, Status.sent, 1, 0),
        Settlement(rows[2].id, rows[2].claim, Status.sent, 1, 0),
    ]
    ledger.settle(db.session(), ends, now=NOON)
    db.session.commit()
    assert [(name, data["id"]) for name, data in published(hooked)] == [("notification.sent", rows[2].id)]


def test_a_rolled_back_change_is_no_event(hooked: Flask, add: Add) -> None:
    add(URL)
    rows = claimed(1)
    ledger.settle(db.session(), [Settlement(rows[0].id, rows[0].claim, Status.sent, 1, 0)], now=NOON)
    db.session.rollback()
    assert published(hooked) == []


def test_a_late_journal_corrects_once(hooked: Flask, add: Add, frozen: time_machine.Traveller) -> None:
    add(URL)
    ends = settle(claimed(2), Status.unknown)
    late = [each._replace(to=Status.sent, reply=StoredReply("ACCEPTED")) for each in ends]
    for _ in range(2):
        ledger.correct(db.session(), late, now=NOON)
        db.session.commit()
    assert [name for name, _ in published(hooked)] == ["notification.unknown"] * 2 + ["notification.sent"] * 2


def test_what_comes_back_expires_or_is_decided_is_told(hooked: Flask, add: Add) -> None:
    add(URL)
    settle(claimed(2))
    why = ledger.why(ReasonCode.bounced, reply="550 no")
    moves = [
        ledger.RowMove(1, (Status.sent,), Status.bounced, why),
        ledger.RowMove(2, (Status.unknown,), Status.bounced, why),
    ]
    ledger.move_all(db.session(), moves, now=NOON)
    late = make_owed(3, deadline=NOON - timedelta(hours=1))
    ledger.expire(db.session(), now=NOON, limit=10)
    four = make_owed(4, status=Status.unknown)
    ledger.decide_unknown(db.session(), [Notification.id == four], Status.sent, now=NOON, operator="x")
    db.session.commit()
    told = [(name, data["id"], data["status"]) for name, data in published(hooked)][2:]
    assert told == [
        ("notification.bounced", 1, "bounced"), ("notification.skipped", late, "expired"),
        ("notification.sent", four, "sent"),
    ]  # fmt: skip


def test_decisions_of_people_are_told_with_their_ids(hooked: Flask, add: Add) -> None:
    add(URL)
    user = make_user("ada@example.com", external_id="u1")
    preferences.decide(db.session(), user.id, "news", False, how=How.one_click)
    preferences.decide(db.session(), user.id, "news", False, how=How.one_click)
    preferences.decide_all(db.session(), user.id, False, how=How.page)
    preferences.decide(db.session(), user.id, "news", True, how=How.page)
    db.session.commit()
    person = {"id": user.id, "external_id": "u1"}
    assert published(hooked) == [
        ("user.unsubscribed", {"user": person, "category": "news", "how": "one_click"}),
        ("user.unsubscribed", {"user": person, "category": "report", "how": "page"}),
        ("user.unsubscribed", {"user": person, "category": "digest", "how": "page"}),
    ]


def test_suppressions_are_told_without_their_address(hooked: Flask, add: Add) -> None:
    add(URL)
    user = make_user("ada@example.com", external_id="u1")
    for _ in range(2):
        suppressions.add(
            db.session(), "ada@example.com", reason=SuppressionReason.hard_bounce, source="smtp", evidence="550"
        )
    db.session.commit()
    created = published(hooked)
    found = suppressions.find(db.session(), "ada@example.com")
    assert found is not None
    suppressions.lift(db.session(), found)
    db.session.commit()
    people = [{"id": user.id, "external_id": "u1"}]
    assert created == [
        ("suppression.created", {"id": 1, "reason": "hard_bounce", "source": "smtp", "until": None, "users": people})
    ]
    assert published(hooked)[1:] == [("suppression.lifted", {"id": 1, "reason": "hard_bounce", "users": people})]


def test_runs_are_told(hooked: Flask, add: Add) -> None:
    add(URL)
    campaign = make_campaign()
    run_id = start_run(campaign, state=RunState.sending)
    run = db.session.get_one(CampaignRun, run_id)
    control.pause_run(db.session(), run, ReasonCode.paused_by_hand, why="x")
    control.resume_run(db.session(), run)
    db.session.commit()
    assert tick.close(db.session, run_id, NOON)
    assert not tick.close(db.session, run_id, NOON)
    facts = {"id": run_id, "campaign": campaign.id}
    assert published(hooked) == [
        ("run.paused", facts | {"reason_code": "paused_by_hand", "provider": None}),
        ("run.finished", facts | {"state": "done", "totals": {}}),
    ]


def test_a_run_that_stops_at_one_provider_is_told_once(hooked: Flask, add: Add) -> None:
    add(URL)
    campaign = make_campaign()
    run_id = start_run(campaign, state=RunState.sending)
    pause = partial(control.pause_provider, db.session(), run_id, "google", ReasonCode.too_many_complaints, at=NOON)
    details = {"complaints": "2", "of": "1,000", "share": "0.1 %", "provider": "Google"}
    assert [pause(**details), pause(**details)] == [True, False]
    db.session.commit()
    facts = {"id": run_id, "campaign": campaign.id, "reason_code": "too_many_complaints", "provider": "google"}
    assert published(hooked) == [("run.paused", facts)]


def test_emails_that_were_cancelled_are_told(hooked: Flask, add: Add) -> None:
    add(URL)
    one = make_owed(1)
    ledger.move(
        db.session(), one, Status.pending, Status.cancelled, now=NOON, code=ReasonCode.cancelled_by_hand, why="x"
    )
    campaign = make_campaign()
    run_id = start_run(campaign, state=RunState.cancelled)
    of_run = [make_owed(number, campaign_id=campaign.id, run_id=run_id) for number in (2, 3)]
    assert ledger.cancel_run(db.session(), run_id, now=NOON, limit=10) == 2
    db.session.commit()
    told = [(name, data["id"], data["status"], data["reason_code"]) for name, data in published(hooked)]
    assert told[0] == ("notification.skipped", one, "cancelled", "cancelled_by_hand")
    assert sorted(told[1:]) == [("notification.skipped", pk, "cancelled", "run_cancelled") for pk in of_run]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_reader_misses_no_event_of_a_transaction_that_commits_late(hooked: Flask, add: Add) -> None:
    """Its draft has the lower id, but its event gets the higher one."""
    add(URL)
    items = [(EventType.run_paused, {"id": 1})]
    with db.engine.connect() as late:
        late.execute(insert(EventDraft).values(at=NOON, items='[["run.paused",{"id":0}]]'))
        record(db.session(), items, at=NOON)
        db.session.commit()
        services_of(hooked).publishing.run()
        (first,) = feed.read(db.session())
        late.commit()
    db.session.rollback()
    services_of(hooked).publishing.run()
    assert [each.data["id"] for each in feed.read(db.session(), after=first.id)] == [0]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_two_publishers_publish_each_event_once(hooked: Flask, add: Add) -> None:
    add(URL)
    for number in range(300):
        record(db.session(), [(EventType.run_paused, {"id": number})], at=NOON)
    db.session.commit()
    totals = []

    def publish() -> None:
        with hooked.app_context():
            totals.append(services_of(hooked).publishing.run())

    threads = [threading.Thread(target=publish) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    services_of(hooked).publishing.run()
    assert sorted(each.data["id"] for each in feed.read(db.session(), limit=1000)) == list(range(300))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_page_of_the_feed(hooked: Flask, add: Add) -> None:
    add(URL)
    settle(claimed(3))
    record(db.session(), [(EventType.run_paused, {"id": 1})], at=NOON)
    db.session.commit()
    services_of(hooked).publishing.run()
    assert [each.id for each in feed.read(db.session(), after=1, limit=2)] == [2, 3]
    assert [each.id for each in feed.read(db.session(), types=["run.paused"])] == [4]


def test_old_events_are_deleted_with_their_deliveries(hooked: Flask, add: Add, frozen: time_machine.Traveller) -> None:
    add(URL)
    settle(claimed(2))
    services_of(hooked).publishing.run()
    frozen.shift(retention.KEEP_EVENTS + timedelta(seconds=1))
    record(db.session(), [(EventType.run_paused, {"id": 1})], at=NOON)
    db.session.commit()
    services_of(hooked).publishing.run()
    assert retention.purge_events(db.session) == 2
    assert db.session.scalars(select(Event.id)).all() == [3]
    assert db.session.scalars(select(WebhookDelivery.event_id)).all() == [3]
