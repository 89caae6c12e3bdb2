"""The runbook's "Deploy a new version", with real processes: nothing is lost, and nothing is sent twice.

The workers are started by the command lines of the systemd units.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.smtp_server import Session, SmtpServer
from tests.support.applications import make_owed
from tests.support.units import LASTING
from tests.support.worker_process import ROOT, WorkerProcess
from tests.support.working import eventually

#: Seconds that the mail server takes for each email until the old worker has stopped: all would take 90 s or more.
SLOW, EMAILS = 0.9, 400

#: TimeoutStopSec of the unit.
STOP = LASTING["notifier-bulk@.service"].seconds("TimeoutStopSec")

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def app(live_app: Flask, make_app: Callable[..., Flask], tmp_path: Path) -> Flask:
    """With a journal of its own."""
    own = services_of(live_app).settings
    same = {name: getattr(own, name) for name in ("redis_url", "mail_server", "mail_port", "sweep_grace")}
    return make_app(notifier_data_dir=tmp_path, mail_suppress_send=False, **same)


class MailServer:
    """Takes its time for each email, until it is told to hurry."""

    def __init__(self) -> None:
        self.seconds = SLOW

    def __call__(self, session: Session) -> None:
        time.sleep(self.seconds)


def worker(app: Flask, folder: Path, instance: str) -> WorkerProcess:
    """An instance of the unit of campaigns, in a folder of its own."""
    folder.mkdir()
    command = LASTING["notifier-bulk@.service"].argv(instance)
    assert command[1:4] == ["-A", "notifier.wsgi:celery_app", "worker"]
    return WorkerProcess(app, folder, command=[sys.executable, "-m", "celery", *command[1:]], STOP_GRACE="25")


def migrate(app: Flask) -> None:
    """Run `notifier db upgrade` of the new version."""
    settings = services_of(app).settings
    env = os.environ | {"PYTHONPATH": str(ROOT), "NOTIFIER_ENV": "test", "DATABASE_URL": settings.database_url}
    done = subprocess.run(
        [sys.executable, "-m", "notifier", "db", "upgrade"], env=env, capture_output=True, text=True, check=False,
        timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def statuses(app: Flask) -> Counter[str]:
    with app.app_context():
        return Counter(db.session.scalars(select(Notification.status)))


@pytest.mark.timeout(240)
def test_a_new_version_takes_over_while_emails_go_out(app: Flask, smtp: SmtpServer, tmp_path: Path) -> None:
    smtp.script["eod"] = pace = MailServer()
    with app.app_context():
        keys = [make_owed(number, bulk=True, on_unknown="never") for number in range(EMAILS)]
    with worker(app, tmp_path / "old", "1") as old:
        services_of(app).outbox.publish(keys, bulk=True)
        eventually(lambda: len(smtp.accepted) > 5, "the old version sends")
        migrate(app)
        with worker(app, tmp_path / "new", "2") as new:
            old.process.terminate()  # KillMode=mixed: SIGTERM to the first process alone
            assert old.process.wait(STOP) == 0, old.says()
            assert "stopped_by_force" not in old.says()
            assert new.process.poll() is None
            before = statuses(app)
            assert before["sent"] < EMAILS, "the old version left something"
            pace.seconds = 0
            assert set(before) <= {"pending", "sending", "sent"}
            with app.app_context():
                services_of(app).sweep.run()
            eventually(lambda: statuses(app) == {"sent": EMAILS}, "the new version sends the rest", seconds=60)
            new.process.terminate()
            assert new.process.wait(STOP) == 0, new.says()
    assert len(smtp.accepted) == EMAILS
    with app.app_context():
        rows = db.session.scalars(select(Notification)).all()
    assert {(row.unknowns, row.deaths) for row in rows} == {(0, 0)}
