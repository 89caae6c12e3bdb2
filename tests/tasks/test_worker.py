"""A real worker on a real broker, over real SMTP."""

import time

import pytest
from flask import Flask
from sqlalchemy import select, update

from notifier.accounts.signup import Applicant
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import AccountRequest, Notification
from notifier.services import services_of
from notifier.tasks.queues import TRANSACTIONAL
from notifier.testing.brokers import Broker
from notifier.testing.browse import Visitor
from notifier.testing.smtp_server import SmtpServer
from tests.support.services import job
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    # Which database it is makes no difference to RabbitMQ.
    pytest.mark.parametrize(
        ("database_url", "either_broker"),
        [("sqlite", "redis"), ("postgres", "redis"), ("postgres", "rabbitmq")],
        indirect=True,
    ),
]


def sign_up_quietly(app: Flask, number: int = 1) -> None:
    """A signup whose bell is lost: committed with the broker out of reach."""
    with app.app_context():
        working_outbox = services_of(app).outbox.hand_over
        services_of(app).outbox.hand_over = _lost
        applicant = Applicant(parse_address(f"quiet{number}@example.com"))
        services_of(app).accounts.register(db.session(), applicant)
        db.session.commit()
        services_of(app).outbox.hand_over = working_outbox


def handle_requests_of(app: Flask) -> None:
    """As a worker does that then hands the email on to the broker."""
    with app.app_context():
        for key in db.session.scalars(select(AccountRequest.id)).all():
            db.session.rollback()
            services_of(app).account_requests.handle(key)


def _lost(keys: object, bulk: bool) -> None:
    """Takes the keys and loses them, as a broker does that is flushed right afterwards."""


def test_a_signup_becomes_one_mail(app_on_either: Flask, smtp: SmtpServer) -> None:
    with working(app_on_either):
        Visitor(app_on_either).sign_up("ada@example.com")
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent")
    assert [mail.rcpt_to for mail in smtp.accepted] == [("ada@example.com",)]


def test_a_burst_of_signups_does_not_queue_up(app_on_either: Flask, smtp: SmtpServer) -> None:
    for number in range(60):
        sign_up_quietly(app_on_either, number)
    with app_on_either.app_context():
        keys = list(db.session.scalars(select(Notification.id)))
    with working(app_on_either):
        services_of(app_on_either).outbox.publish(keys)
        eventually(lambda: set(statuses(app_on_either)) == {"sent"}, "60 mails are sent")
    assert len(smtp.accepted) == 60


def test_many_keys_share_their_messages(app_on_either: Flask, either_broker: Broker) -> None:
    services_of(app_on_either).outbox.publish(range(1, 11))
    assert either_broker.length(TRANSACTIONAL) == 10
    services_of(app_on_either).outbox.publish(range(11, 71))
    assert either_broker.length(TRANSACTIONAL) == 12


def test_the_broker_sees_primary_keys_only(app_on_either: Flask, either_broker: Broker) -> None:
    Visitor(app_on_either).sign_up("canary@example.com", "Canary Name")
    handle_requests_of(app_on_either)
    assert either_broker.length(TRANSACTIONAL) == 2
    messages = either_broker.messages(TRANSACTIONAL)
    for task in (b"notifier.handle_account_request", b"notifier.deliver_notification"):
        assert any(task in message for message in messages)
    for content in [*messages, *either_broker.everything()]:
        assert b"canary" not in content.lower()


def test_a_task_that_runs_many_times_sends_once(app_on_either: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(app_on_either)
    with app_on_either.app_context():
        pk = db.session.scalars(select(Notification.id)).one()
    with working(app_on_either):
        for _ in range(10):
            job(app_on_either, "deliver_notification").apply_async((pk,))
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


def test_mail_whose_message_was_lost_is_found_by_the_sweep(app_on_either: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(app_on_either)
    time.sleep(0.15)
    with working(app_on_either):
        job(app_on_either, "sweep").apply_async()
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


def test_a_sign_up_whose_message_was_lost_is_found_by_the_sweep(app_on_either: Flask, smtp: SmtpServer) -> None:
    outbox = services_of(app_on_either).request_outbox
    publish, outbox.hand_over = outbox.hand_over, _lost
    Visitor(app_on_either).sign_up("ada@example.com")
    outbox.hand_over = publish
    time.sleep(0.15)
    with working(app_on_either):
        job(app_on_either, "sweep").apply_async()
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1


def test_a_mail_server_that_is_busy_for_a_moment_is_asked_again_soon(app_on_either: Flask, smtp: SmtpServer) -> None:
    smtp.script["banner"] = ["421 4.3.2 too many connections", None]
    with working(app_on_either):
        Visitor(app_on_either).sign_up("ada@example.com")
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent after a quick second try")
    with app_on_either.app_context():
        row = db.session.scalars(select(Notification)).one()
        assert (row.claims, row.attempts) == (2, 1)


def test_what_a_killed_worker_held_comes_back_after_its_lease(app_on_either: Flask, smtp: SmtpServer) -> None:
    sign_up_quietly(app_on_either)
    with app_on_either.app_context():
        # As a worker leaves it that dies between claim and send, some time ago.
        db.session.execute(update(Notification).values(status="sending", claims=1, lease_until=Notification.created_at))
        db.session.commit()
    with working(app_on_either):
        job(app_on_either, "sweep").apply_async()
        eventually(lambda: statuses(app_on_either) == ["sent"], "the row is sent")
    assert len(smtp.accepted) == 1
