"""Faults of real servers: each is found within seconds, named as the cause, and gone when it is well again."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, update

from notifier import clock
from notifier.extensions import db
from notifier.models import DeliveryState, Heartbeat, ProviderHold, WebhookDelivery, WebhookEndpoint
from notifier.observability import heartbeats
from notifier.observability.cause_rules import Effect
from notifier.observability.watch import Look
from notifier.services import services_of
from notifier.tasks import broker_probe
from notifier.tasks.queues import ALL_QUEUES
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import SmtpServer


@pytest.fixture
def broker() -> Iterator[ValkeyServer]:
    with ValkeyServer(own=True) as server:
        yield server


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What the workers say that they read; a test changes it."""
    read = {"mail@here": set(ALL_QUEUES)}
    monkeypatch.setattr(broker_probe, "read_by_workers", lambda _celery: read)
    return read


@pytest.fixture
def mail_server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def site(
    make_app: Callable[..., Flask], broker: ValkeyServer, mail_server: SmtpServer, queues: dict[str, set[str]]
) -> Flask:
    """An application with everything that sending needs."""
    app = make_app(redis_url=broker.url, mail_server=mail_server.host, mail_port=mail_server.port)
    beat(app)
    return app


def beat(app: Flask) -> None:
    with app.app_context():
        for name in heartbeats.CHORES:
            heartbeats.beat(db.session(), name, clock.now())
        db.session.commit()


def causes(app: Flask) -> list[str]:
    return [problem.key for problem in look(app).problems]


def look(app: Flask) -> Look:
    began = time.monotonic()
    found = services_of(app).watch.look()
    assert time.monotonic() - began < 10, "a person on call waits for this"
    return found


def test_a_frozen_broker(site: Flask, broker: ValkeyServer) -> None:
    assert causes(site) == []
    broker.pause()
    try:
        assert causes(site) == ["broker"]
    finally:
        broker.cont()
    assert causes(site) == []


def test_a_broker_that_freezes_while_workers_are_asked(
    site: Flask, broker: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot answer through it: it is named, and not a worker."""

    def freezes(_celery: object) -> dict[str, set[str]]:
        broker.pause()
        return {}

    monkeypatch.setattr(broker_probe, "read_by_workers", freezes)
    try:
        assert causes(site) == ["broker"]
    finally:
        broker.cont()


def test_a_mail_server_that_takes_the_connection_and_hangs(make_app: Callable[..., Flask], site: Flask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis_url = services_of(site).settings.redis_url
        app = make_app(redis_url=redis_url, mail_server="127.0.0.1", mail_port=silent.getsockname()[1])
        assert causes(app) == ["mail server"]
    assert causes(site) == []


def test_a_provider_that_is_held(site: Flask) -> None:
    with site.app_context():
        times = {"held_since": clock.now(), "next_probe_at": clock.now() + timedelta(minutes=5), "probes": 1}
        said = {"phase": "eod", "code": 550, "text": "5.7.515 Access denied"}
        db.session.add(ProviderHold(key="smtp:microsoft", transport="smtp", scope="microsoft", **said, **times))
        db.session.commit()
    (problem,) = look(site).problems
    assert (problem.key, problem.title) == ("provider Microsoft", "Microsoft refuses our emails.")
    assert "5.7.515 Access denied" in problem.detail
    with site.app_context():
        db.session.execute(delete(ProviderHold))
        db.session.commit()
    assert causes(site) == []


def test_a_silent_beat(site: Flask) -> None:
    age(site, timedelta(minutes=10))
    (problem,) = look(site).problems
    assert problem.key == "beat"
    assert problem.since is not None
    assert clock.now() - problem.since >= timedelta(minutes=10)
    beat(site)
    assert causes(site) == []


def age(app: Flask, by: timedelta) -> None:
    with app.app_context():
        for name in ("tick", "sweep"):
            row = db.session.get(Heartbeat, name)
            assert row is not None
            row.at = clock.now() - by
        db.session.commit()


def test_webhooks_that_no_worker_calls(site: Flask) -> None:
    with site.app_context():
        endpoint = WebhookEndpoint(url="https://shop.example/", types=[], secret="sealed")
        db.session.add(endpoint)
        db.session.flush()
        late = clock.now() - timedelta(minutes=5)
        waiting = {"state": DeliveryState.waiting, "next_attempt_at": late}
        db.session.add(WebhookDelivery(endpoint_id=endpoint.id, event_id=1, **waiting))
        db.session.commit()
    (problem,) = look(site).problems
    assert (problem.key, problem.since) == ("webhook calls", late)
    assert "1 event has waited up to 5 minutes" in problem.detail
    assert "notifier.webhooks" in problem.detail
    with site.app_context():
        db.session.execute(delete(WebhookDelivery))
        db.session.commit()
    assert causes(site) == []


def test_a_webhook_endpoint_that_fails_while_another_works(site: Flask) -> None:
    now = clock.now()
    with site.app_context():
        failing = WebhookEndpoint(
            url="https://crm.example/hook?token=hush", types=[], secret="sealed",
            failing_since=now - timedelta(minutes=11), failures=3,
        )  # fmt: skip
        briefly = WebhookEndpoint(
            url="https://wiki.example/", types=[], secret="sealed", failing_since=now - timedelta(minutes=2), failures=2
        )
        works = WebhookEndpoint(url="https://shop.example/", types=[], secret="sealed", last_success_at=now)
        db.session.add_all([failing, briefly, works])
        db.session.commit()
        pk = failing.id
    (problem,) = look(site).problems
    assert (problem.key, problem.title) == (f"endpoint {pk}", f"The webhook endpoint {pk} takes no events.")
    assert problem.since == now - timedelta(minutes=11)
    assert "crm.example has taken no event for 11 minutes: 3 tries failed" in problem.detail
    assert "hush" not in problem.detail
    assert services_of(site).watch.look().problems[0].effect is Effect.asks
    with site.app_context():
        db.session.execute(
            update(WebhookEndpoint).where(WebhookEndpoint.id == pk).values(failing_since=None, failures=0)
        )
        db.session.commit()
    assert causes(site) == []


@pytest.mark.usefixtures("database_url")
def test_a_database_that_is_away(make_app: Callable[..., Flask], broker: ValkeyServer) -> None:
    app = make_app(database_url="postgresql://x:y@127.0.0.1:1/z", redis_url=broker.url)
    assert causes(app)[0] == "database"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_database_that_takes_no_changes(
    make_app: Callable[..., Flask], site: Flask, database_url: str, postgres: PostgresServer
) -> None:
    ours = services_of(site).settings
    app = make_app(
        database_url=f"{database_url}?options=-c%20default_transaction_read_only%3Don",
        redis_url=ours.redis_url, mail_server=ours.mail_server, mail_port=ours.mail_port,
    )  # fmt: skip
    (problem,) = look(app).problems
    assert problem.key == "database writes"
    assert "read-only" in problem.detail
    assert causes(site) == []
