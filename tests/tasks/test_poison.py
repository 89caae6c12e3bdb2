"""No message ends a worker: it is logged, counted and kept where operators see it, and the worker goes on."""

from datetime import timedelta
from typing import Any

import amqp
import pytest
from celery import signals
from celery.app.task import Context
from flask import Flask
from kombu import Connection

from notifier import clock
from notifier.observability.queues import Rejected
from notifier.services import services_of
from notifier.tasks.queues import BULK, CONTROL, QUEUES, TRANSACTIONAL
from notifier.testing.brokers import Broker, RabbitBroker, RedisBroker, entry, task
from notifier.testing.browse import Visitor
from notifier.testing.poison import BATCH, EMBED, ENTRIES, PROPERTIES, WRONG
from notifier.testing.smtp_server import SmtpServer
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def look(app: Flask) -> Rejected:
    rejected: Rejected = services_of(app).queues().rejected
    return rejected


def counted(app: Flask, number: int) -> None:
    eventually(lambda: look(app).count >= number, f"{number} messages are counted", 30)
    assert look(app).count == number


def an_email_arrives(app: Flask, smtp: SmtpServer) -> None:
    Visitor(app).sign_up("ada@example.com")
    eventually(lambda: statuses(app) == ["sent"], "an email that is owed afterwards arrives")
    assert len(smtp.accepted) == 1


@pytest.mark.parametrize("keep", [1000])
def test_a_message_with_a_wrong_body_or_header_does_not_end_a_worker(
    app_on_either: Flask, either_broker: Broker, smtp: SmtpServer
) -> None:
    with working(app_on_either, QUEUES):
        for queue in QUEUES:
            for message in WRONG.values():
                either_broker.push(queue, message)
        counted(app_on_either, len(WRONG) * len(QUEUES))
        assert [either_broker.length(queue) for queue in QUEUES] == [0, 0, 0, 0]
        an_email_arrives(app_on_either, smtp)


def test_what_waits_for_a_worker_that_starts_does_not_end_it(
    app_on_either: Flask, either_broker: Broker, smtp: SmtpServer
) -> None:
    with working(app_on_either, QUEUES):
        pass  # declares the queues
    either_broker.push(TRANSACTIONAL, task("{}"))
    with working(app_on_either, QUEUES):
        counted(app_on_either, 1)
    with working(app_on_either, QUEUES):
        an_email_arrives(app_on_either, smtp)
    counted(app_on_either, 1)


@pytest.mark.parametrize("either_broker", ["redis"], indirect=True)
def test_an_entry_that_is_not_a_message_does_not_end_a_worker(
    app_on_either: Flask, either_broker: RedisBroker, smtp: SmtpServer
) -> None:
    with working(app_on_either):
        for each in ENTRIES.values():
            either_broker.push_entry(BULK, each)
        counted(app_on_either, len(ENTRIES))
        an_email_arrives(app_on_either, smtp)
    assert {message.queue for message in look(app_on_either).newest} == {BULK}


def fault(*_: object, **__: object) -> str:
    raise ValueError("a fault that we do not know of")


@pytest.mark.parametrize("either_broker", ["redis"], indirect=True)
@pytest.mark.parametrize(
    ("place", "lie", "reason"),
    [
        # kombu cannot write the tag; and the consumer raises when kombu has written it.
        ("redis_transport.is_utf8", lambda value: True, "a worker could not take it (UnicodeEncodeError)"),
        ("consumer.why_unreadable", fault, "a worker could not take it (ValueError)"),
    ],
)
def test_an_entry_that_raises_while_it_is_handed_over_is_rejected(
    app_on_either: Flask, either_broker: RedisBroker, monkeypatch: pytest.MonkeyPatch, place: str, lie: Any, reason: str
) -> None:
    monkeypatch.setattr(f"notifier.tasks.{place}", lie)
    tag = "tag" if lie is fault else "x\ud800"
    with working(app_on_either):
        either_broker.push_entry(BULK, entry(delivery_tag=tag))
        counted(app_on_either, 1)
        eventually(
            lambda: not either_broker.client.exists("notifier.unacked", "notifier.unacked_index"), "no copy is kept"
        )
    assert look(app_on_either).newest[0].reason == reason


@pytest.mark.parametrize("either_broker", ["rabbitmq"], indirect=True)
def test_properties_that_cannot_be_decoded_do_not_end_a_worker(
    app_on_either: Flask, either_broker: RabbitBroker, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(app_on_either):
        for properties in PROPERTIES.values():
            message = amqp.Message(b"[[1], {}, {}]")
            monkeypatch.setattr(message, "_serialize_properties", lambda raw=properties: raw)
            either_broker.publish(BULK, message)
        counted(app_on_either, len(PROPERTIES))
        an_email_arrives(app_on_either, smtp)


@pytest.mark.parametrize("either_broker", ["rabbitmq"], indirect=True)
def test_connections_of_other_applications_in_the_process_read_properties_as_they_did(
    app_on_either: Flask, either_broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(app_on_either):
        pass  # declares the queues
    message = amqp.Message(b"[[1], {}, {}]")
    monkeypatch.setattr(message, "_serialize_properties", lambda: PROPERTIES["a message id that is not UTF-8"])
    either_broker.publish(BULK, message)
    other = Connection(either_broker.url)
    with pytest.raises(UnicodeDecodeError):
        other.channel().basic_get(BULK)
    other.collect()
    assert look(app_on_either).count == 0


@pytest.mark.parametrize("either_broker", ["redis"], indirect=True)
def test_remote_control_that_is_not_a_message_does_not_end_a_worker(
    app_on_either: Flask, either_broker: RedisBroker, smtp: SmtpServer
) -> None:
    with working(app_on_either):
        for each in ENTRIES.values():
            either_broker.client.publish("/0.notifier.pidbox", each)
        an_email_arrives(app_on_either, smtp)
        assert services_of(app_on_either).celery.control.ping(timeout=1)


def test_an_operator_sees_the_newest_and_nothing_of_their_bodies(app_on_either: Flask, either_broker: Broker) -> None:
    with working(app_on_either, QUEUES):
        either_broker.push(TRANSACTIONAL, task('[["ada@example.com"], {}, {}]'))
        counted(app_on_either, 1)
        either_broker.push(BULK, task('[["ada@example.com"], {}, {}]', "ada@example.com"))
        counted(app_on_either, 2)
    newest, older = look(app_on_either).newest
    assert (newest.queue, newest.task, newest.reason) == (BULK, "", "its task is unknown")
    assert (older.queue, older.task) == (TRANSACTIONAL, "notifier.deliver_notification")
    assert (older.reason, older.size) == ("its argument pk has a wrong type or is out of range", 29)
    assert newest.at is not None
    assert abs((clock.now() - newest.at).total_seconds()) < 60
    assert "ada@" not in repr(look(app_on_either))


@pytest.mark.parametrize("keep", [3])
def test_the_newest_are_kept_up_to_the_limit(app_on_either: Flask, either_broker: Broker) -> None:
    with working(app_on_either, QUEUES):
        for size in range(5):
            either_broker.push(BULK, task("x" * size))
        eventually(lambda: [each.size for each in look(app_on_either).newest] == [4, 3, 2], "the newest three are kept")
    # Redis counts all; RabbitMQ those that it holds.
    assert look(app_on_either).count == (5 if either_broker.kind == "redis" else 3)


def test_a_worker_runs_what_is_right(app_on_either: Flask, either_broker: Broker) -> None:
    ran: list[str] = []

    def note(sender: Any, **_: Any) -> None:
        ran.append(sender.name)

    right = [
        task("[[], {}, {}]", "notifier.sweep"),
        task("[[], {}, null]", "notifier.sweep"),
        task('[[], {}, {"callbacks": null, "errbacks": [], "chain": [], "chord": {}}]', "notifier.sweep"),
        task("[[1], {}, {}]"),
        task('[[], {"pk": 9223372036854775807}, {}]', retries=3),
        task("[[[]], {}, {}]", "notifier.deliver_batch"),
        task("[[[1, 2]], {}, {}]", "notifier.deliver_batch", eta=clock.now().isoformat(), timelimit=[None, None]),
        task("[[1], {}, {}]", "notifier.expand_run", expires=(clock.now() + timedelta(hours=1)).isoformat()),
    ]
    signals.task_postrun.connect(note)
    try:
        with working(app_on_either, QUEUES):
            for message in right:
                either_broker.push(CONTROL, message)
            # As Task.retry makes it from the message that a worker runs.
            request = Context(task("").headers, args=[[]], kwargs={}, retries=1, **dict.fromkeys(EMBED))
            batch = services_of(app_on_either).celery.tasks[BATCH]
            batch.signature_from_request(request, countdown=0.1, retries=2).apply_async()
            eventually(lambda: len(ran) == len(right) + 1, "all have run")
    finally:
        signals.task_postrun.disconnect(note)
    assert look(app_on_either).count == 0
