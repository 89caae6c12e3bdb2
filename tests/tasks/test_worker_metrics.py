"""The numbers of a prefork worker: all its processes are counted, and a kill loses none that come from the ledger."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from notifier.extensions import db
from notifier.metrics.catalogue import CLAIMS, NOTIFICATIONS, SMTP_REPLIES
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import make_owed
from tests.support.metrics import at_rest, counted
from tests.support.worker_process import WorkerProcess
from tests.support.working import eventually

#: Messages of one key each, so that both processes get some.
EMAILS = 12


@pytest.fixture
def app(live_app: Flask, make_app: Callable[..., Flask], tmp_path: Path) -> Flask:
    """With a journal of its own."""
    own = services_of(live_app).settings
    same = {name: getattr(own, name) for name in ("redis_url", "mail_server", "mail_port", "sweep_grace")}
    return make_app(notifier_data_dir=tmp_path, mail_suppress_send=False, **same)


def owe(app: Flask) -> None:
    with app.app_context():
        start = db.session.scalar(select(func.count()).select_from(Notification)) or 0
        for number in range(start + 1, start + EMAILS + 1):
            services_of(app).outbox.publish([make_owed(number, bulk=True, status="pending")], bulk=True)


def sent(app: Flask) -> int:
    with app.app_context():
        query = select(func.count()).select_from(Notification).where(Notification.status == "sent")
        return db.session.scalar(query) or 0


def test_both_processes_of_a_worker_are_counted(app: Flask, smtp: SmtpServer, tmp_path: Path) -> None:
    with WorkerProcess(app, tmp_path, concurrency=2) as worker:
        owe(app)
        eventually(lambda: sent(app) == EMAILS, "all were sent")
        worker.process.terminate()
        worker.process.wait(30)
    with app.app_context():
        replies, claims = counted(SMTP_REPLIES), counted(CLAIMS)
        assert replies == {("smtp", "eod", "2xx", "other"): float(EMAILS)}
        assert claims["won",] == EMAILS
        assert counted(NOTIFICATIONS) == at_rest()
    (second := tmp_path / "second").mkdir()  # its ready file is its own
    with WorkerProcess(app, second, concurrency=2) as worker:
        owe(app)
        eventually(lambda: sent(app) == 2 * EMAILS, "all were sent")
        worker.kill()
    with app.app_context():
        assert counted(SMTP_REPLIES) == replies, "a killed process wrote down what it had in memory"
        assert counted(NOTIFICATIONS) == at_rest()
        assert sum(at_rest().values()) == 2 * EMAILS
