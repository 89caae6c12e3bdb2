"""The soft time limit: no more emails are claimed, none is cut off, and the rest is for the next worker."""

from collections import Counter
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import clock, stopping
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services, services_of
from notifier.testing.factories import make_notification, make_user
from notifier.testing.smtp_server import SmtpServer
from tests.support.services import job
from tests.support.working import statuses

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def slow(make_app: Callable[..., Flask], smtp: SmtpServer) -> Flask:
    """An application with 12 emails for a mail server that takes a moment for each reply."""
    app = make_app(mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False, mail_connections=1)
    with app.app_context():
        for number in range(12):
            make_notification(make_user(f"user{number}@example.com"))
    smtp.delay = 0.05
    return app


def test_a_task_over_its_soft_limit_cuts_no_email_off(
    slow: Flask, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit comes while the fourth email is being sent."""
    with slow.app_context():
        keys = list(db.session.scalars(select(Notification.id)))
        db.session.commit()
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "is_task_over", lambda: len(smtp.accepted) >= 3)
        job(slow, "deliver_several").apply((keys,))
    found = Counter(statuses(slow))
    assert set(found) == {"sent", "pending"}
    assert 3 <= found["sent"] < 12
    assert len(smtp.accepted) == found["sent"]
    with slow.app_context():
        waiting = select(Notification).where(Notification.status == "pending")
        assert all(row.enqueue_at and row.enqueue_at <= clock.now() for row in db.session.scalars(waiting))
    smtp.delay = 0.0
    job(slow, "deliver_several").apply((keys,))
    assert (statuses(slow), len(smtp.accepted)) == (["sent"] * 12, 12)


def test_the_limit_of_a_worker_is_that_of_its_tasks(slow: Flask, smtp: SmtpServer) -> None:
    services_of(slow).celery.soft_limit = 1e-9
    job(slow, "deliver_several").apply(([1, 2, 3],))
    assert smtp.accepted == []


def test_a_limit_is_for_the_task_alone(slow: Flask) -> None:
    with slow.app_context(), stopping.soft_limit(0):
        assert stopping.claims_no_more()
        assert not stopping.is_asked()
        assert services().sender.deliver([1]) == Counter()
    assert not stopping.claims_no_more()
