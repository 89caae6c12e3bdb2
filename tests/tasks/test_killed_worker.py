"""A real worker that is killed: what its journal tells is what the ledger says."""

from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.delivery.recovery.replay import Replayed, replay
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import make_owed
from tests.support.worker_process import WorkerProcess
from tests.support.working import eventually


@pytest.fixture
def app(live_app: Flask, make_app: Callable[..., Flask], tmp_path: Path) -> Flask:
    """With a journal of its own."""
    own = services_of(live_app).settings
    same = {name: getattr(own, name) for name in ("redis_url", "mail_server", "mail_port", "sweep_grace")}
    return make_app(notifier_data_dir=tmp_path, mail_suppress_send=False, **same)


def test_rows_of_a_killed_worker_know_their_emails(app: Flask, smtp: SmtpServer, tmp_path: Path) -> None:
    """Message-ID, template version, transport and reply: of those that were answered and of the one in doubt."""
    # Its first reply comes; the second never does.
    smtp.script["eod"] = ["250 2.0.0 Ok: queued as A1", "HANG"]
    with app.app_context():
        keys = [make_owed(number, bulk=True, status="pending") for number in (1, 2)]
    # One connection, so that the first is answered before the second goes out.
    with WorkerProcess(app, tmp_path, MAIL_CONNECTIONS="1") as worker:
        services_of(app).outbox.publish(keys, bulk=True)
        eventually(lambda: len(smtp.accepted) == 2, "both went out")
        worker.kill()
    with app.app_context():
        # The reply to the first may have been stored before the kill.
        assert replay(db.session, tmp_path / "journal") in {Replayed(1, 1), Replayed(0, 1)}
        rows = list(db.session.scalars(select(Notification).order_by(Notification.id)))
    sent = [str(message_from_bytes(mail.data)["Message-ID"]) for mail in smtp.accepted]
    assert [row.message_id for row in rows] == sent
    assert {row.transport for row in rows} == {"smtp"}
    assert all(row.template_version for row in rows)
    assert [(row.status, row.unknowns) for row in rows] == [("sent", 0), ("pending", 1)]
    assert (rows[0].last_code, rows[0].last_text) == (250, "Ok: queued as A1")
