"""A real worker on a real broker, over real SMTP."""

import time

import pytest
import redis
from flask import Flask
from sqlalchemy import select, update

from notifier.accounts import Applicant
from notifier.addresses import parse_address
from notifier.extensions import db
from notifier.models import Notification
from notifier.tasks import jobs
from notifier.tasks.celery_app import TRANSACTIONAL
from tests.support.browse import Visitor
from tests.support.smtp_server import SmtpServer
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
)


def sign_up_quietly(app: Flask, number: int = 1) -> None:
    """A signup whose bell is lost: committed with the broker out of reach."""
    with app.app_context():
        working_outbox = app.extensions["notifier.outbox"]._publish
        app.extensions["notifier.outbox"]._publish = _lost
        applicant = Applicant(parse_address(f"quiet{number}@example.com"))
        app.extensions["notifier.accounts"].register(db.session(), applicant)
        db.session.commit()
        app.extensions["notifier.outbox"]._publish = working_outbox


def _lost(keys: object, bulk: bool) -> None:
    """Takes the keys and loses them, as a broker does that is flushed right afterwards."""


def test_a_signup_becomes_one_mail(live_app: Flask, smtp: SmtpServer) -> None:
    with working(live_app):
        Visitor(live_app).sign_up("ada@example.com")
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent")
    assert [mail.rcpt_to for mail in smtp.accepted] == [("ada@example.com",)]


def test_a_burst_of_signups_does_not_queue_up(live_app: Flask, smtp: SmtpServer) -> None:
    for number in range(60):
        sign_up_quietly(live_app, number)
    with live_app.app_context():
        keys = list(db.session.scalars(select(Notification.id)))
    with working(live_app):
        live_app.extensions["notifier.outbox"].publish(keys)
        eventually(lambda: set(statuses(live_app)) == {"sent"}, "60 mails are sent")
    assert len(smtp.accepted) == 60


def test_the_broker_sees_primary_keys_only(live_app: Flask, broker: redis.Redis) -> None:
    Visitor(live_app).sign_up("canary@example.com", "Canary Name")
    (message,) = broker.lrange(TRANSACTIONAL, 0, -1)
    assert b"notifier.deliver_notification" in message
    for key in broker.scan_iter("*"):
        dump = b"".join(broker.lrange(key, 0, -1)) if broker.type(key) == b"list" else b""
        assert b"canary" not in (key + dump).lower()


def test_a_task_that_runs_many_times_sends_once(live_app: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(live_app)
    with live_app.app_context():
        pk = db.session.scalars(select(Notification.id)).one()
    with working(live_app):
        for _ in range(10):
            jobs.deliver_notification.apply_async((pk,))
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


def test_mail_whose_message_was_lost_is_found_by_the_sweep(live_app: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(live_app)
    time.sleep(0.15)
    with working(live_app):
        jobs.sweep.apply_async()
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


def test_a_mail_server_that_is_busy_for_a_moment_is_asked_again_soon(live_app: Flask, smtp: SmtpServer) -> None:
    smtp.script["banner"] = ["421 4.3.2 too many connections", None]
    with working(live_app):
        Visitor(live_app).sign_up("ada@example.com")
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent after a quick second try")
    with live_app.app_context():
        row = db.session.scalars(select(Notification)).one()
        assert (row.claims, row.attempts) == (2, 1)


def test_what_a_killed_worker_held_comes_back_after_its_lease(live_app: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(live_app)
    with live_app.app_context():
        # As a worker leaves it that dies between claim and send, some time ago.
        db.session.execute(update(Notification).values(status="sending", claims=1, lease_until=Notification.created_at))
        db.session.commit()
    with working(live_app):
        jobs.sweep.apply_async()
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


@pytest.mark.parametrize(
    "entry",
    [b'{"body": "!!!", "headers": {}, "properties": {}}', b"not json at all", b"{}", b"[]", b"\xff\xfe\x00"],
    ids=["no body", "no json", "no message", "a list", "no text"],
)
def test_an_entry_that_nobody_can_read_does_not_stop_the_worker(
    entry: bytes, live_app: Flask, broker: redis.Redis, smtp: SmtpServer
) -> None:
    broker.lpush(TRANSACTIONAL, entry)
    with working(live_app):
        Visitor(live_app).sign_up("ada@example.com")
        eventually(lambda: statuses(live_app) == ["sent"], "the row is sent")
