"""Verification reminders reach users of a host if a link of ours confirms them, and they got one."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from notifier.app import create_app
from notifier.embedding import UserFields
from notifier.explain.why import why
from notifier.extensions import db
from notifier.models import Notification, Status
from notifier.models import User as Mirrored
from notifier.services import services_of
from notifier.testing.applications import close
from tests.embedding.conftest import Host
from tests.support.applications import NOON, make_settings
from tests.support.campaigns import make_campaign

pytestmark = pytest.mark.usefixtures("frozen")

ELSEWHERE = ("confirmed_elsewhere", "their application confirms addresses itself")
NEVER = ("not_asked", "the verification email was never sent to them")


@pytest.fixture
def ours(database_url: str) -> Iterator[Flask]:
    """An application of notifier on the database of the host."""
    app = create_app(make_settings(database_url=database_url))
    with app.app_context():
        yield app
        db.session.remove()
    close(app)


def by_ours(user: Any) -> UserFields:
    return UserFields(id=user.id, email=user.email)


def by_the_host(user: Any) -> UserFields:
    return UserFields(id=user.id, email=user.email, verified_at=user.confirmed_at)


def asked(make_host: Callable[..., Host], reader: Any, status: Status | None, *, has_hook: bool = False) -> Host:
    """A host with one unconfirmed user, a day old, whose verification email has this status."""
    host = make_host(reader=reader)
    if has_hook:
        host.notifier.on_verified(lambda user: None)
    host.start()
    with host.app.app_context():
        user = host.add()
        if status is not None:
            host.notifier.send("verification", user)
        host.db.session.commit()
    with Session(host.engine) as session:
        session.execute(update(Mirrored).values(created_at=NOON - timedelta(days=2)))
        session.execute(update(Notification).values(status=status or Status.sent))
        session.commit()
    return host


@pytest.mark.parametrize(
    ("reader", "status", "has_hook", "excluded"),
    [
        (by_ours, Status.sent, False, None),
        (by_ours, Status.unknown, False, None),
        (by_ours, None, False, NEVER),
        (by_ours, Status.failed, False, NEVER),
        (by_the_host, Status.sent, False, ELSEWHERE),
        (by_the_host, Status.sent, True, None),
        (by_the_host, None, True, NEVER),
    ],
)
def test_whom_a_reminder_reaches(
    make_host: Callable[..., Host],
    ours: Flask,
    reader: Any,
    status: Status | None,
    has_hook: bool,
    excluded: tuple[str, str] | None,
) -> None:
    asked(make_host, reader, status, has_hook=has_hook)
    make_campaign(kind="verification_reminder")
    (answer,) = why(db.session(), 1, services_of(ours).kinds)
    assert (answer.code, answer.words)[: 2 if excluded else 1] == (excluded or ("chosen",))


def test_a_host_that_registers_its_hook_later_is_seen_by_a_sync(make_host: Callable[..., Host], ours: Flask) -> None:
    host = asked(make_host, by_the_host, Status.sent)
    host.notifier.on_verified(lambda user: None)
    with host.app.app_context():
        assert list(host.notifier.check_users().columns) == ["confirms_here"]
        host.notifier.sync_users()
    make_campaign(kind="verification_reminder")
    (answer,) = why(db.session(), 1, services_of(ours).kinds)
    assert answer.code == "chosen"
