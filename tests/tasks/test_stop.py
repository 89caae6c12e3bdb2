"""A real worker that is asked to stop: nothing is cut, nothing is in doubt, the rest is for the next one."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.smtp_server import Session, SmtpServer
from tests.support.applications import make_owed
from tests.support.worker_process import WorkerProcess
from tests.support.working import eventually

#: Seconds that the server takes for each email, and that the whole batch would take: 4 connections.
SLOW, EMAILS, CONNECTIONS = 0.25, 200, 4

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def app(live_app: Flask, make_app: Callable[..., Flask], tmp_path: Path) -> Flask:
    """With a journal of its own."""
    own = services_of(live_app).settings
    same = {name: getattr(own, name) for name in ("redis_url", "mail_server", "mail_port", "sweep_grace")}
    return make_app(notifier_data_dir=tmp_path, mail_suppress_send=False, **same)


def catches(pid: int, number: int) -> bool:
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def taking_its_time(session: Session) -> None:
    time.sleep(SLOW)


@pytest.mark.parametrize(("pool", "whom"), [("prefork", "first"), ("prefork", "group"), ("threads", "group")])
def test_it_finishes_what_is_on_the_wire_and_gives_the_rest_back(
    app: Flask, smtp: SmtpServer, tmp_path: Path, pool: str, whom: str
) -> None:
    smtp.script["eod"] = taking_its_time
    with app.app_context():
        keys = [make_owed(number, bulk=True, on_unknown="never") for number in range(EMAILS)]
    with WorkerProcess(app, tmp_path, pool=pool, MAIL_CONNECTIONS=str(CONNECTIONS), STOP_GRACE="12") as worker:
        services_of(app).outbox.publish(keys, bulk=True)
        eventually(lambda: len(smtp.accepted) > 2 * CONNECTIONS, "emails go out")
        asked = time.monotonic()
        if whom == "group":
            os.killpg(worker.process.pid, signal.SIGTERM)
        else:
            worker.process.send_signal(signal.SIGTERM)
        code = worker.process.wait(15)
        took = time.monotonic() - asked
        assert (code, "stopped_by_force" in worker.says()) == (0, False), worker.says()
    # The whole batch would take longer.
    assert took < EMAILS * SLOW / CONNECTIONS / 2
    with app.app_context():
        rows = list(db.session.scalars(select(Notification)))
    sent = [row for row in rows if row.status == "sent"]
    assert {row.status for row in rows} == {"sent", "pending"}
    assert len(sent) == len(smtp.accepted)
    assert {(row.unknowns, row.deaths) for row in rows} == {(0, 0)}
    # The next sweep rings for all of them.
    assert all(row.enqueue_at <= clock.now() for row in rows if row.status == "pending")
    assert {row.reason_code for row in rows if row.status == "pending"} <= {None, "worker_stopped"}


def test_a_server_that_never_answers_does_not_keep_it(app: Flask, smtp: SmtpServer, tmp_path: Path) -> None:
    smtp.script["eod"] = lambda session: "HANG"
    with app.app_context():
        (key,) = (make_owed(1, bulk=True, on_unknown="never"),)
    with WorkerProcess(app, tmp_path, STOP_GRACE="5") as worker:
        services_of(app).outbox.publish([key], bulk=True)
        eventually(lambda: len(smtp.accepted) == 1, "it goes out")
        asked = time.monotonic()
        os.killpg(worker.process.pid, signal.SIGTERM)
        worker.process.wait(10)
        assert time.monotonic() - asked < 5
    with app.app_context():
        row = db.session.scalars(select(Notification)).one()
    assert (row.status, row.last_phase) == ("unknown", "eod")


def test_a_child_that_is_told_alone_ends_as_ever(app: Flask, tmp_path: Path) -> None:
    """As autoscaling does it: a moment later, and its parent starts another."""
    with WorkerProcess(app, tmp_path) as worker:
        (child,) = worker.children()
        eventually(lambda: catches(child, signal.SIGALRM), "the child has set its signals")
        os.kill(child, signal.SIGTERM)
        eventually(lambda: worker.children() not in ([child], []), "another child is there")
        assert worker.process.poll() is None
