"""Kinds whose data are secrets: sealed in the row, deleted after the email, compared by key alone; other addresses."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import time_machine
from pydantic import BaseModel
from sqlalchemy import select, update

from notifier import retention
from notifier.emails import Category, EmailKind, Owed
from notifier.embedding import KeyConflict, NoAddress, SetupError
from notifier.extensions import db
from notifier.models import Notification, Status
from notifier.testing.inline import Inline
from notifier.testing.mail_server import FakeMailServer
from tests.embedding.conftest import Host

Make = Callable[..., Host]

SUBJECT = "Your code"
TEXT = '{% extends "_layout/base.txt" %}{% block content %}It is {{ code }}.{% endblock %}'
HTML = '{% extends "_layout/base.html" %}{% block content %}<p>It is {{ code }}.</p>{% endblock %}'


class Code(EmailKind):
    name: ClassVar[str] = "code"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(hours=1)
    because: ClassVar[str] = "You asked for a code."
    secret: ClassVar[bool] = True

    class Data(BaseModel):
        code: str

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {"code": self.data_of(owed).code}


@pytest.fixture
def host(make_host: Make, tmp_path: Path, frozen: time_machine.Traveller) -> Host:
    folder = tmp_path / "emails" / "code"
    folder.mkdir(parents=True)
    for name, text in (("subject.txt", SUBJECT), ("body.txt", TEXT), ("body.html", HTML)):
        (folder / name).write_text(text)
    made = make_host(kinds=[Code()], templates=tmp_path)
    made.app.testing = True
    made.start(mount="/mail")
    return made


def send(host: Host, code: str = "271828", **options: Any) -> Notification:
    row = host.notifier.send(
        "code", to=host.db.session.scalars(select(host.User)).one(), data={"code": code}, **options
    )
    host.db.session.commit()
    return row


def purge(host: Host) -> int:
    with host.notifier.app.app_context():
        done = retention.purge(db.session)["secrets"]
        db.session.rollback()
    return done


def stored(host: Host) -> str:
    [row] = host.stored(select(Notification))
    return json.dumps(row.params)


def test_it_is_sent_but_cannot_be_read_in_the_row(host: Host) -> None:
    Inline().attach(host.notifier.app)
    emails = FakeMailServer().attach(host.notifier.app)
    with host.app.app_context():
        host.add()
        send(host)
    [email] = emails.sent
    assert "It is 271828." in email.text
    assert "sealed" in stored(host)
    assert "271828" not in stored(host)
    assert purge(host) == 1
    assert "sealed" not in stored(host)


@pytest.mark.parametrize(
    ("status", "later", "deleted"),
    [
        (Status.pending, timedelta(0), False),
        (Status.sending, timedelta(0), False),
        (Status.unknown, timedelta(0), False),
        (Status.unknown, timedelta(hours=2), True),
        (Status.unknown, timedelta(days=9), True),
        (Status.expired, timedelta(0), True),
        (Status.cancelled, timedelta(0), True),
    ],
)
def test_it_is_kept_as_long_as_the_email_may_go(
    host: Host, frozen: time_machine.Traveller, status: Status, later: timedelta, deleted: bool
) -> None:
    Inline().attach(host.notifier.app)
    FakeMailServer().attach(host.notifier.app)
    with host.app.app_context():
        host.add()
        pk = send(host, at=host.notifier.now() + timedelta(minutes=5)).id
        settled = None if status in {Status.pending, Status.sending} else host.notifier.now()
        moved = update(Notification).where(Notification.id == pk).values(status=status, settled_at=settled)
        host.db.session.execute(moved)
        host.db.session.commit()
    frozen.shift(later)
    assert purge(host) == deleted
    assert ("sealed" in stored(host)) is not deleted


def test_the_same_key_is_the_same_email_whatever_the_secret_is(host: Host) -> None:
    with host.app.app_context():
        user = host.add()
        first, second = send(host, key="code:1"), send(host, "314159", key="code:1")
        assert first.id == second.id
        assert "271828" not in json.dumps(host.notifier.send("code", user, data={"code": "0"}).params)


def test_it_needs_the_keys_of_an_application(make_host: Make) -> None:
    host = make_host(kinds=[Code()])
    host.start()
    with host.app.app_context():
        host.add()
        with pytest.raises(SetupError, match="give init_app mount= or celery="):
            send(host)


def test_another_address_gets_it(host: Host) -> None:
    with host.app.app_context():
        host.add()
        row = send(host, address="Augusta@Example.com", key="a")
        assert row.recipient == "Augusta@example.com"
        assert send(host, address="Augusta@Example.com", key="a").id == row.id
        with pytest.raises(KeyConflict):
            send(host, key="a")
        with pytest.raises(NoAddress):
            send(host, address="augusta@")
        host.db.session.rollback()
