"""Events reach their endpoints: signed, tried again, one endpoint apart from the others, and disabled in the end."""

import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import standardwebhooks
import svix
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier import clock
from notifier.events import EventType, record
from notifier.extensions import db
from notifier.models import (
    AuditEntry,
    DeliveryState,
    Event,
    Notification,
    Role,
    Status,
    WebhookDelivery,
    WebhookEndpoint,
)
from notifier.operators import roster
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.testing.clocks import NOON
from notifier.testing.mail_server import FakeMailServer
from notifier.testing.operators import PASSWORD
from notifier.webhooks import calling, endpoints, outcomes
from notifier.webhooks.wire import Wire
from tests.support.receiver import Receiver, hangs, says
from tests.support.settled import claimed, settle

Receive = Callable[..., Receiver]
Add = Callable[..., WebhookEndpoint]

SECRET = "whsec_" + "A" * 32


def work(app: Flask) -> list[int]:
    """Publish, and call every endpoint that is due. Return how many events each took."""
    parts = services_of(app)
    parts.publishing.run()
    return [parts.calling.run(pk) for pk in parts.calling.due()]


def told(number: int = 1) -> None:
    """Write down that a run was paused, as many times."""
    items = [(EventType.run_paused, {"id": each, "campaign": 1, "reason_code": "paused_by_hand"})
             for each in range(number)]  # fmt: skip
    record(db.session(), items, at=clock.now())
    db.session.commit()


def deliveries() -> list[WebhookDelivery]:
    db.session.rollback()
    query = select(WebhookDelivery).order_by(WebhookDelivery.endpoint_id, WebhookDelivery.event_id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def fresh(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    db.session.rollback()
    return db.session.get_one(WebhookEndpoint, endpoint.id, populate_existing=True)


def test_both_published_verifiers_take_the_message(hooked: Flask, receive: Receive, add: Add) -> None:
    here = receive()
    add(here.url, secret=SECRET)
    settle(claimed(1))
    assert work(hooked) == [1]
    (request,) = here.requests
    event = db.session.scalars(select(Event)).one()
    assert request.headers["webhook-id"] == f"evt_{event.uid}"
    for verifier in (standardwebhooks.Webhook(SECRET), svix.Webhook(SECRET)):
        verifier.verify(request.body.decode(), request.headers)
    assert json.loads(request.body) == {
        "type": "notification.sent",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {
            "id": 1, "status": "sent", "reason_code": None, "kind": "verification", "campaign": None, "run": None,
            "user": {"id": 1, "external_id": None},
        },
    }  # fmt: skip
    assert b"@" not in request.body
    (row,) = deliveries()
    assert (row.state, row.attempts, row.last_status) == (DeliveryState.delivered, 1, 204)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_verifier_refuses_what_is_too_old_or_changed(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive()
    add(here.url, secret=SECRET)
    told()
    work(hooked)
    (request,) = here.requests
    for verifier, error in (
        (standardwebhooks.Webhook(SECRET), standardwebhooks.WebhookVerificationError),
        (svix.Webhook(SECRET), svix.WebhookVerificationError),
    ):
        frozen.move_to(NOON + timedelta(seconds=299))
        verifier.verify(request.body.decode(), request.headers)
        with pytest.raises(error):
            verifier.verify(request.body.decode() + " ", request.headers)
        frozen.move_to(NOON + timedelta(seconds=301))
        with pytest.raises(error):
            verifier.verify(request.body.decode(), request.headers)


def test_two_secrets_sign_for_a_day_after_a_rotation(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive()
    endpoint = add(here.url, secret=SECRET)
    assert SECRET not in endpoint.secret, "it is sealed at rest"
    new = services_of(hooked).endpoints.rotate(db.session(), endpoint, by=SYSTEM)
    told()
    work(hooked)
    for secret in (SECRET, new):
        standardwebhooks.Webhook(secret).verify(here.requests[0].body, here.requests[0].headers)
    frozen.shift(timedelta(hours=24))
    told()
    work(hooked)
    standardwebhooks.Webhook(new).verify(here.requests[1].body, here.requests[1].headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(here.requests[1].body, here.requests[1].headers)


def test_only_what_an_endpoint_wants_is_stored_and_sent(hooked: Flask, receive: Receive, add: Add) -> None:
    one, two = receive(), receive()
    add(one.url, ("notification.failed",))
    add(two.url, ("notification.failed", "run.paused"))
    settle(claimed(1))
    told()
    assert work(hooked) == [1]
    assert (len(one.requests), len(two.requests)) == (0, 1)
    assert db.session.scalars(select(Event.type)).all() == ["run.paused"]


def test_without_an_endpoint_nothing_is_written(hooked: Flask) -> None:
    settle(claimed(1))
    told()
    assert services_of(hooked).publishing.run() == 0
    assert db.session.scalars(select(Event)).all() == []


def test_every_try_has_its_pause_and_the_same_id(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "JITTER", 0.0)
    monkeypatch.setattr(outcomes, "DISABLED_AFTER", timedelta(days=30))
    here = receive(says(500, body=b"out of order"))
    add(here.url)
    told()
    begun = []
    for pause in (*outcomes.PAUSES, None):
        assert work(hooked) == [0]
        begun.append(clock.now())
        (row,) = deliveries()
        assert (row.last_status, row.last_error) == (500, "answered 500: out of order")
        if pause is None:
            break
        assert row.next_attempt_at - clock.now() == pause
        frozen.shift(pause - timedelta(seconds=1))
        assert work(hooked) == []
        frozen.shift(timedelta(seconds=1))
    assert (row.state, row.attempts) == (DeliveryState.failed, 10)
    frozen.shift(timedelta(days=5))
    assert work(hooked) == []
    assert {each.headers["webhook-id"] for each in here.requests} == {
        f"evt_{db.session.scalars(select(Event.uid)).one()}"
    }
    assert [int(each.headers["webhook-timestamp"]) for each in here.requests] == [int(at.timestamp()) for at in begun]
    assert len({each.body for each in here.requests}) == 1


def test_retry_after_is_obeyed_within_bounds(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive(says(503, "Retry-After: 600\r\n"))
    endpoint = add(here.url)
    told()
    work(hooked)
    assert deliveries()[0].next_attempt_at == NOON + timedelta(seconds=600)
    assert fresh(endpoint).next_call_at == NOON + timedelta(seconds=600)
    told()
    frozen.shift(timedelta(seconds=599))
    assert work(hooked) == [], "the endpoint asked to wait, also for other events"
    here.reply = says(503, "Retry-After: 99999999\r\n")
    frozen.shift(timedelta(seconds=1))
    work(hooked)
    assert fresh(endpoint).next_call_at == clock.now() + outcomes.LONGEST_HOLD
    assert max(each.next_attempt_at for each in deliveries()) == clock.now() + outcomes.LONGEST_RETRY_AFTER


@pytest.mark.parametrize("status", [204, 200, 299])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_2xx_is_success(hooked: Flask, receive: Receive, add: Add, status: int) -> None:
    here = receive(says(status))
    add(here.url)
    told()
    assert work(hooked) == [1]


@pytest.mark.parametrize("status", [302, 304, 400, 404, 500])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_else_is_failure(hooked: Flask, receive: Receive, add: Add, status: int) -> None:
    here = receive(says(status, "Location: http://169.254.169.254/\r\n"))
    add(here.url)
    told()
    assert work(hooked) == [0]
    assert (deliveries()[0].state, deliveries()[0].last_status) == (DeliveryState.waiting, status)


def _make_operators() -> None:
    for role in (Role.admin, Role.viewer):
        roster.create(db.session(), email=f"{role}@example.com", password=PASSWORD, role=role)
    db.session.commit()


def test_after_48_hours_without_success_it_is_disabled_and_an_email_tells(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    _make_operators()
    here = receive(says(500))
    endpoint = add(here.url)
    told()
    while clock.now() < NOON + timedelta(hours=47, minutes=59):
        work(hooked)
        frozen.shift(timedelta(minutes=59))
    assert fresh(endpoint).disabled_at is None
    told()
    frozen.move_to(NOON + timedelta(hours=48))
    work(hooked)
    after = fresh(endpoint)
    assert after.disabled_at == clock.now()
    assert after.disabled_reason == "it took no event for 48 hours; the last try: answered 500"
    email = db.session.scalars(select(Notification)).one()
    assert (email.kind, email.recipient, email.user_id) == ("webhook_disabled", "admin@example.com", None)
    server = FakeMailServer().attach(hooked)
    services_of(hooked).sender.deliver([email.id])
    (sent,) = server.sent
    assert sent.recipient == "admin@example.com"
    assert sent.subject == f"A webhook was disabled: 127.0.0.1:{here.port}"
    assert f"/admin/webhook-endpoints/{endpoint.id}" in sent.text
    assert "it took no event for 48 hours" in sent.text
    db.session.rollback()
    assert db.session.get_one(Notification, email.id, populate_existing=True).status == Status.sent
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "webhook.disabled")).one()
    assert entry.actor == "notifier"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_five_failures_are_not_enough(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive(says(500))
    endpoint = add(here.url)
    for _ in range(5):
        told()
        work(hooked)
        frozen.shift(timedelta(hours=12))
    assert fresh(endpoint).failures == 5
    assert fresh(endpoint).disabled_at is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_success_begins_anew(hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller) -> None:
    here = receive(says(500))
    endpoint = add(here.url)
    for hour in range(60):
        here.reply = says(200) if hour == 30 else says(500)
        told()
        work(hooked)
        frozen.shift(timedelta(hours=1))
    assert fresh(endpoint).disabled_at is None


def test_410_disables_at_once(hooked: Flask, receive: Receive, add: Add) -> None:
    here = receive(says(410))
    endpoint = add(here.url)
    told(3)
    work(hooked)
    assert fresh(endpoint).disabled_reason == "it answered 410 Gone: it wants no more events"
    told()
    assert work(hooked) == []
    assert len(deliveries()) == 3, "nothing more is queued for it"
    assert len(db.session.scalars(select(Event)).all()) == 4, "but the feed has what it misses"


def test_enabled_again_it_gets_what_waited_and_a_replay_brings_the_rest(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive()
    endpoint = add(here.url)
    told(2)
    work(hooked)
    here.reply = says(500)
    told()
    work(hooked)
    endpoints.disable(db.session(), fresh(endpoint), "a test", by=SYSTEM)
    db.session.commit()
    frozen.shift(timedelta(minutes=1))
    told(2)
    work(hooked)
    here.reply, here.requests = says(), []
    with pytest.raises(endpoints.EndpointError, match="enable it first"):
        endpoints.replay(db.session(), fresh(endpoint), by=SYSTEM, since=NOON)
    endpoints.enable(db.session(), fresh(endpoint), by=SYSTEM)
    db.session.commit()
    assert work(hooked) == [1]
    assert endpoints.replay(db.session(), fresh(endpoint), by=SYSTEM, since=NOON) == 2
    db.session.commit()
    assert work(hooked) == [2]
    assert {each.state for each in deliveries()} == {DeliveryState.delivered}
    assert endpoints.replay(db.session(), fresh(endpoint), by=SYSTEM, since=NOON, delivered=True) == 5
    assert endpoints.replay(db.session(), fresh(endpoint), by=SYSTEM, event_id=1) == 1
    db.session.commit()
    here.requests = []
    assert work(hooked) == [1]
    assert here.requests[0].headers["webhook-id"] == f"evt_{db.session.get_one(Event, 1).uid}"


def test_an_endpoint_that_hangs_costs_one_try_and_no_other_endpoint_waits(
    hooked: Flask, receive: Receive, add: Add, monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> None:
    calls = services_of(hooked).calling
    monkeypatch.setattr(calls, "_wire", Wire(loopback=True, seconds=0.5))
    dead, alive = receive(hangs()), receive()
    dead_one = add(dead.url)
    add(alive.url)
    told(60)
    services_of(hooked).publishing.run()
    due = calls.due()
    assert len(due) == 2
    before = time.monotonic()
    assert calls.run(due[0]) == 0
    assert time.monotonic() - before < 2.0
    assert calls.run(due[1]) == 60
    assert len(dead.requests) <= calling.SIDE_BY_SIDE
    assert dead.most_at_once <= calling.SIDE_BY_SIDE
    assert fresh(dead_one).next_call_at > clock.now()
    assert calls.due() == [], "it is left alone for a while"
    tried = len(dead.requests)
    frozen.move_to(fresh(dead_one).next_call_at)
    assert calls.due() == [dead_one.id]
    calls.run(dead_one.id)
    assert len(dead.requests) == tried + 1, "then a single event probes it"


def test_one_worker_at_a_time_calls_an_endpoint(
    hooked: Flask, receive: Receive, add: Add, frozen: time_machine.Traveller
) -> None:
    here = receive()
    endpoint = add(here.url)
    told()
    services_of(hooked).publishing.run()
    held = update(WebhookEndpoint).values(busy_until=NOON + calling.LEASE)
    db.session.execute(held)
    db.session.commit()
    calls = services_of(hooked).calling
    assert (calls.due(), calls.run(endpoint.id)) == ([], 0)
    frozen.shift(calling.LEASE)
    assert calls.run(endpoint.id) == 1, "the lease of a dead worker ends"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_test_goes_to_one_endpoint_only(hooked: Flask, receive: Receive, add: Add) -> None:
    here, there = receive(), receive()
    endpoint = add(here.url, ("run.paused",))
    add(there.url)
    endpoints.send_test(db.session(), endpoint, by=SYSTEM)
    db.session.commit()
    assert work(hooked) == [1]
    assert json.loads(here.requests[0].body)["type"] == "webhook.test"
    assert there.requests == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_url_that_is_no_longer_allowed_disables_its_endpoint(hooked: Flask, receive: Receive, add: Add) -> None:
    endpoint = add(receive().url)
    told()
    services_of(hooked).publishing.run()
    services_of(hooked).calling._loopback = False
    services_of(hooked).calling.run(endpoint.id)
    assert fresh(endpoint).disabled_reason == "it cannot be called: the URL must begin with https://"
