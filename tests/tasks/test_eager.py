"""Eager tasks run inside the commit hook, in a context of their own."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.accounts.signup import Applicant
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.browse import Visitor


@pytest.fixture
def eager_app(make_app: Callable[..., Flask]) -> Flask:
    app = make_app()
    services_of(app).celery.conf.task_always_eager = True
    return app


def test_a_signup_is_in_the_recorded_messages_when_the_request_ends(eager_app: Flask) -> None:
    with eager_app.extensions["mail"].record_messages() as messages:
        answer = Visitor(eager_app).sign_up("ada@example.com", "Ada")
        assert answer.status_code == 303
    (message,) = messages
    assert message.recipients == ["ada@example.com"]
    assert "http://notifier.test/verify/" in message.body
    with eager_app.app_context():
        assert db.session.scalars(select(Notification.status)).all() == ["sent"]


def test_the_task_of_a_signup_sends_its_email_without_a_second_message(eager_app: Flask) -> None:
    assert Visitor(eager_app).sign_up("ada@example.com").status_code == 303
    outboxes = [services_of(eager_app).request_outbox, services_of(eager_app).outbox]
    assert [outbox.published for outbox in outboxes] == [1, 0]
    with eager_app.app_context():
        assert db.session.scalars(select(Notification.status)).all() == ["sent"]


def test_the_session_that_committed_stays_usable(eager_app: Flask) -> None:
    with eager_app.app_context():
        for number in range(3):
            applicant = Applicant(parse_address(f"user{number}@example.com"))
            services_of(eager_app).accounts.register(db.session(), applicant)
            db.session.commit()
            assert db.session.scalars(select(Notification.status)).all() == ["sent"] * (number + 1)
