"""A real worker in this process, for as long as a test needs one."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery.contrib.testing.worker import start_worker
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.tasks.queues import BULK, CONTROL, TRANSACTIONAL

#: Until a test gives up on what should happen.
SECONDS = 10.0


@contextmanager
def working(app: Flask, queues: Sequence[str] = (TRANSACTIONAL, BULK, CONTROL)) -> Iterator[Any]:
    """The worker of these queues: Celery's object."""
    with start_worker(
        services_of(app).celery,
        pool="threads",
        concurrency=4,
        queues=list(queues),
        perform_ping_check=False,
        shutdown_timeout=20,
    ) as worker:
        yield worker
        # It looks whether it is to stop when something happens: otherwise once in some seconds.
        waking = threading.Timer(0.05, worker.hub.call_soon, [_nothing])
        waking.start()
    waking.join()


def _nothing() -> None:
    """Wakes a loop up."""


def eventually(check: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def statuses(app: Flask) -> list[str]:
    """Of the whole ledger."""
    with app.app_context():
        return list(db.session.scalars(select(Notification.status)))
