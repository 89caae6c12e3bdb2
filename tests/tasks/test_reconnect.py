"""A worker that lost its connection to RabbitMQ goes on as before."""

import socket
import threading
from collections import defaultdict
from typing import Any

import amqp
import pytest
from celery.worker import state
from flask import Flask

from notifier.testing.brokers import Broker
from notifier.testing.browse import Visitor
from notifier.testing.smtp_server import SmtpServer
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize(("database_url", "either_broker"), [("postgres", "rabbitmq")], indirect=True),
]


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> dict[amqp.Connection, set[int]]:
    """The threads that read each connection to RabbitMQ. py-amqp has no lock: two of them lose frames."""
    threads: dict[amqp.Connection, set[int]] = defaultdict(set)
    blocking_read = amqp.Connection.blocking_read

    def recorded(self: amqp.Connection, *args: Any, **kwargs: Any) -> Any:
        threads[self].add(threading.get_ident())
        return blocking_read(self, *args, **kwargs)

    monkeypatch.setattr(amqp.Connection, "blocking_read", recorded)
    return threads


def cut(worker: Any) -> amqp.Connection:
    """Cut the connection that the worker reads; return the one that it reads instead."""
    lost = read_by(worker)
    assert lost is not None
    lost.sock.shutdown(socket.SHUT_RDWR)
    eventually(lambda: read_by(worker) not in (None, lost), "the worker connects again")
    return read_by(worker)


def read_by(worker: Any) -> amqp.Connection | None:
    """Return the connection by its channel: kombu's own object would connect in this thread."""
    consumer = worker.consumer.task_consumer
    return consumer.channel.connection if consumer else None


def test_only_the_loop_reads_the_new_connection_while_tasks_run_and_start(
    app_on_either: Flask, either_broker: Broker, smtp: SmtpServer, readers: dict[amqp.Connection, set[int]]
) -> None:
    with working(app_on_either) as worker:
        smtp.delay = 0.1
        for number in range(4):
            Visitor(app_on_either).sign_up(f"before{number}@example.com")
        eventually(lambda: len(state.active_requests) > 1, "tasks run")
        connection = cut(worker)
        smtp.delay = 0.0
        for number in range(8):
            Visitor(app_on_either).sign_up(f"after{number}@example.com")
        eventually(lambda: statuses(app_on_either) == ["sent"] * 12, "all emails are sent")
        assert len(readers[connection]) == 1
