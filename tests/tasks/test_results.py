"""What becomes of control tasks is written down; the broker is looked at without taking anything out."""

from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import Retry
from flask import Flask
from redis import Redis
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from notifier import clock
from notifier.extensions import db
from notifier.models import DomainProvider, Feedback, TaskResult
from notifier.observability.queues import BrokerAway
from notifier.services import services_of
from notifier.tasks import results
from notifier.tasks.broker_view import peek
from notifier.tasks.publisher import Publisher
from notifier.tasks.queues import BULK, CONTROL, TRANSACTIONAL
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.services import job


@pytest.fixture
def eager(app: Flask) -> Flask:
    services_of(app).celery.conf.task_always_eager = True
    return app


def run(app: Flask, name: str, *arguments: Any) -> None:
    with app.app_context():
        services_of(app).celery.tasks[f"notifier.{name}"].apply(arguments)


def rows(app: Flask) -> list[TaskResult]:
    with app.app_context():
        return list(db.session.scalars(select(TaskResult).order_by(TaskResult.id)))


def test_a_task_that_ends_well_leaves_its_numbers(eager: Flask) -> None:
    run(eager, "sweep")
    (row,) = rows(eager)
    assert (row.name, row.state, row.error) == ("notifier.sweep", "SUCCESS", None)
    assert row.result == {
        "leases_expired": 0, "expired": 0, "enqueued": 0, "refused": 0, "requests": 0, "requests_refused": 0,
        "reports_counted": 0,
        "runs_braked": 0,
    }  # fmt: skip
    assert row.started_at is not None
    assert row.finished_at is not None


def test_a_sweep_counts_reports_for_the_provider_that_dns_has_told(make_app: Callable[..., Flask]) -> None:
    app, now = make_app(mail_mx_ttl=3600), clock.now()
    with app.app_context():
        known = DomainProvider(domain="customer.example", provider="microsoft", looked_up_at=now)
        report = Feedback(
            source="email", event_id="1", kind="bounce", verdict="soft", reason="authentication", rule_version=1,
            matched_by="none", proven=True, provider="customer.example", happened_at=now, effect="counted",
        )  # fmt: skip
        db.session.add_all([known, report])
        db.session.commit()
    run(app, "sweep")
    assert rows(app)[0].result["reports_counted"] == 1  # type: ignore[index]


def test_a_task_that_fails_leaves_the_type_and_not_the_words(eager: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("ada@example.com")

    monkeypatch.setattr(services_of(eager).sweep, "run", broken)
    run(eager, "sweep")
    (row,) = rows(eager)
    assert (row.state, row.error, row.result) == ("FAILURE", "RuntimeError", None)


def test_sending_is_not_written_down(eager: Flask) -> None:
    run(eager, "deliver_notification", 1)
    assert rows(eager) == []


def test_a_table_that_is_away_neither_stops_nor_fails_a_task(eager: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in the log, without the statement: it may hold anything."""

    def away(_celery: object) -> None:
        raise OperationalError("INSERT", {}, ConnectionRefusedError())

    monkeypatch.setattr(results, "_transaction", away)
    with eager.app_context(), capture_logs() as said:
        assert services_of(eager).celery.tasks["notifier.sweep"].apply().state == "SUCCESS"
    assert "task_results.not_written" in [line["event"] for line in said]
    assert "INSERT" not in str(said)


def test_the_states_of_a_task_on_its_way(app: Flask) -> None:
    with app.app_context():
        task = services_of(app).celery.tasks["notifier.purge"]
        task.apply_async(task_id="abc")
        task.apply_async(task_id="abc", retries=1)
        job(app, "deliver_batch").apply_async(([],))
        assert [row.state for row in rows(app)] == ["PENDING"]
        results.started("abc", task)
        results.tries_again(task, request=_request("abc"), reason=Retry(exc=OSError()))
        (row,) = rows(app)
        assert (row.state, row.error) == ("RETRY", "OSError")
        results.revoked(task, request=_request("abc"), expired=True)
        (row,) = rows(app)
        assert (row.state, row.error) == ("REVOKED", "it had waited for too long")


def _request(task_id: str) -> Any:
    return type("Request", (), {"id": task_id})()


def test_a_look_at_the_broker_takes_nothing_out(make_app: Callable[..., Flask], valkey: ValkeyServer) -> None:
    app = make_app(redis_url=valkey.url)
    with Redis.from_url(valkey.url) as client:
        client.delete(TRANSACTIONAL, BULK, CONTROL)
    with app.app_context():
        celery = services_of(app).celery
        publisher = Publisher(celery)
        publisher([11, 12], False)
        publisher(list(range(1, 8)), True)
        publisher.run_now("sweep")
        first, second = peek(celery), peek(celery)
    assert first == second
    queues = {queue.name: queue for queue in first.queues}
    assert {name: queues[name].length for name in (TRANSACTIONAL, BULK, CONTROL)} == {
        TRANSACTIONAL: 2,
        BULK: 1,
        CONTROL: 1,
    }
    assert [(each.task, each.about) for each in queues[TRANSACTIONAL].next or ()] == [
        ("notifier.deliver_notification", "#11"),
        ("notifier.deliver_notification", "#12"),
    ]
    assert [each.about for each in queues[BULK].next or ()] == ["#1, #2, #3, #4, #5 and 2 more"]
    assert [each.task for each in queues[CONTROL].next or ()] == ["notifier.sweep"]
    assert [(row.name, row.state) for row in rows(app)] == [("notifier.sweep", "PENDING")]


def test_a_broker_that_is_away_is_said_in_words(make_app: Callable[..., Flask]) -> None:
    app = make_app(redis_url="redis://127.0.0.1:1/0")
    with app.app_context(), pytest.raises(BrokerAway, match="The broker does not answer"):
        peek(services_of(app).celery)
