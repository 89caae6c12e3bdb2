"""What `health` and the queue page know of the queues on either broker: lengths, readers, what was rejected."""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from bench.children import Child, clean_env
from notifier import clock
from notifier.cli.main import build
from notifier.observability.check import HealthCheck
from notifier.observability.queues import BrokerAway
from notifier.services import services_of
from notifier.tasks import rejected
from notifier.tasks.broker_view import peek
from notifier.tasks.publisher import Publisher
from notifier.tasks.queues import BULK, CONTROL, EXPANSION, QUEUES, TRANSACTIONAL
from notifier.tasks.unread_queues import misspelt, without_reader
from notifier.testing.brokers import Broker, RedisBroker, task
from tests.support.working import eventually, working

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def finding(app: Flask, name: str) -> HealthCheck:
    found: dict[str, HealthCheck] = {each.name: each for each in services_of(app).probes()}
    return found[name]


@pytest.mark.usefixtures("database_url")
def test_a_queue_that_no_worker_reads_is_found() -> None:
    assert without_reader({}) == [TRANSACTIONAL, BULK, EXPANSION, CONTROL]
    assert without_reader({"mail@a": {TRANSACTIONAL, CONTROL}, "bulk@a": {BULK, "blk"}}) == [EXPANSION]
    assert without_reader({"all@a": set(QUEUES)}) == []


@pytest.mark.usefixtures("database_url")
def test_a_misspelt_queue_is_named_and_a_queue_of_the_application_is_not() -> None:
    assert misspelt({"mail@a": {TRANSACTIONAL, CONTROL}, "all@a": {*QUEUES, "celery", "notifications", "blk"}}) == []
    assert misspelt({"bulk@b": {"notifier.bulks"}, "bulk@a": {BULK, "notifier.expansions"}}) == [
        "bulk@a reads notifier.expansions, into which notifier puts nothing: did you mean notifier.expansion?",
        "bulk@b reads notifier.bulks, into which notifier puts nothing: did you mean notifier.bulk?",
    ]


def test_health_names_the_queues_without_a_reader(app_on_either: Flask) -> None:
    missing = {"without_reader": [BULK, EXPANSION, CONTROL]}
    with working(app_on_either, [TRANSACTIONAL, "trasnactional"]):
        eventually(lambda: finding(app_on_either, "queues").figures == missing, "the three are named", 20)
        eventually(lambda: finding(app_on_either, "workers").ok, "the worker is named", 20)
        queues = finding(app_on_either, "queues")
    assert not queues.ok
    assert queues.detail.startswith(
        "No worker reads notifier.bulk, notifier.expansion, notifier.control. Start one with -Q"
    )


def test_a_worker_without_names_of_queues_reads_all(app_on_either: Flask) -> None:
    with working(app_on_either, ()):
        eventually(lambda: finding(app_on_either, "queues").figures == {"without_reader": []}, "all have a reader", 20)


def test_health_tells_programs_what_was_rejected(app_on_either: Flask, either_broker: Broker) -> None:
    assert finding(app_on_either, "rejected messages").figures == {"count": 0, "unreadable": 0, "newest": []}
    with working(app_on_either, QUEUES):
        either_broker.push(BULK, task("{}", "notifier.deliver_batch"))
        eventually(lambda: finding(app_on_either, "rejected messages").figures["count"] == 1, "it is counted")
        output = app_on_either.test_cli_runner().invoke(build(lambda: app_on_either), ["health", "--json"]).output
    findings = {each["name"]: each for each in json.loads(output)}
    found = findings["rejected messages"]
    (newest,) = found["figures"]["newest"]
    assert found["figures"]["count"] == 1
    assert {name: newest[name] for name in ("queue", "task", "size")} == {
        "queue": BULK,
        "task": "notifier.deliver_batch",
        "size": 2,
    }
    assert not found["ok"]
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        assert finding(app_on_either, "rejected messages").ok


JUNK = [
    b"junk",
    b'{"at":"x"}',
    b"5",
    b"\xff",
    b"[" * 100_000,
    b'{"at": "x", "queue": "notifier.bulk", "task": "", "reason": "", "size": 1}',
    b'{"at": "2026-01-01T00:00:00", "queue": "notifier.bulk", "task": "", "reason": "no time zone", "size": 1}',
    b'{"at": "2026-01-01T00:00:00+00:00", "queue": "x\\ud800", "task": "", "reason": "", "size": 1}',
    b'{"at": "0001-01-01T00:00:00+14:00", "queue": "notifier.bulk", "task": "", "reason": "no calendar", "size": 1}',
    b'{"at": "2026-01-01T00:00:00+00:00", "queue": 5, "task": "", "reason": "", "size": 1}',
] * 2


@pytest.mark.parametrize("either_broker", ["redis"], indirect=True)
@pytest.mark.parametrize("total", [b"1", b"junk"])
def test_junk_among_the_records_hides_no_record(app_on_either: Flask, either_broker: RedisBroker, total: bytes) -> None:
    with app_on_either.app_context():
        rejected.add_to_redis(either_broker.client, rejected.Record.of_entry(BULK, 7), kept=100)
    either_broker.client.lpush(rejected.LIST, *JUNK)
    either_broker.client.set(rejected.TOTAL, total)
    found = finding(app_on_either, "rejected messages")
    newest = found.figures["newest"]
    assert (found.figures["count"], found.figures["unreadable"]) == (1, len(JUNK))
    assert isinstance(newest, list)
    assert [each["size"] for each in newest] == [7]
    assert found.detail.endswith(f"in notifier.bulk: it is not a message; {len(JUNK)} records are unreadable")


def test_a_look_takes_nothing_out(app_on_either: Flask, either_broker: Broker) -> None:
    celery = services_of(app_on_either).celery
    with app_on_either.app_context():
        publisher = Publisher(celery)
        publisher([11, 12], False)
        publisher(list(range(1, 2001)), True)
        publisher.run_now("sweep")
    lengths = {TRANSACTIONAL: 2, BULK: 2, EXPANSION: 0, CONTROL: 1}
    for _ in range(2):
        assert {queue.name: queue.length for queue in peek(celery).queues} == lengths
    assert either_broker.length(TRANSACTIONAL) == 2


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1//"])
def test_a_broker_that_is_away_is_said_in_words(url: str, make_app: Callable[..., Flask]) -> None:
    app = make_app(celery_broker_url=url)
    with pytest.raises(BrokerAway, match="The broker does not answer"):
        peek(services_of(app).celery)
    for name in ("broker", "workers", "queues", "rejected messages"):
        assert not finding(app, name).ok


def test_health_says_that_rabbitmq_keeps_no_rates(make_app: Callable[..., Flask]) -> None:
    app = make_app(celery_broker_url="amqp://guest:guest@127.0.0.1:1//")
    assert "to share limits, set REDIS_URL" in finding(app, "rate limits").detail


@pytest.mark.parametrize("either_broker", ["redis"], indirect=True)
def test_a_worker_that_starts_names_what_it_and_nobody_reads(
    app_on_either: Flask, either_broker: Broker, database_url: str, tmp_path: Path
) -> None:
    surroundings = {
        "NOTIFIER_ENV": "development",
        "NOTIFIER_DATA_DIR": str(tmp_path),
        "SECRET_KEYS": services_of(app_on_either).settings.secret_keys[0],
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": either_broker.url,
    }
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "wsgi:celery_app",
        "worker",
        "-Q",
        "trasnactional,notifier.bulk,notifier.expansion",
    ]
    log = tmp_path / "worker.log"
    with Child("worker", [*argv, "--pool", "threads", "--loglevel", "WARNING"], clean_env(surroundings), tmp_path):
        eventually(lambda: "worker.queues_unknown" in log.read_text(), "it names the queue that is none", 40)
        eventually(lambda: "worker.queues_without_reader" in log.read_text(), "it names queues without a reader", 20)
    assert "notifier puts nothing into trasnactional" in log.read_text()
    assert "No worker reads notifier.transactional, notifier.control" in log.read_text()
