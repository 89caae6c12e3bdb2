"""A row that a host wrote is sent by notifier's own application on the same database, in the host's words."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.app import create_app
from notifier.consent import preferences
from notifier.emails import KINDS, Category, EmailKind, Owed
from notifier.extensions import db
from notifier.models import Notification, Status
from notifier.models import User as Mirrored
from notifier.services import services_of
from notifier.testing.applications import close, merge_templates
from notifier.testing.mail_server import FakeMailServer
from tests.embedding.conftest import Host
from tests.support.applications import make_settings

pytestmark = pytest.mark.usefixtures("frozen")

TEXT = '{% extends "_layout/base.txt" %}{% block content %}Order {{ order }} for {{ recipient_name }}.{% endblock %}'
HTML = '{% extends "_layout/base.html" %}{% block content %}<p>Order {{ order }}.</p>{% endblock %}'


class Receipt(EmailKind):
    name: ClassVar[str] = "receipt"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(days=2)
    because: ClassVar[str] = "You placed an order."

    class Data(BaseModel):
        order: int

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {"order": self.data_of(owed).order}


class Reply(Receipt):
    name: ClassVar[str] = "reply"
    category: ClassVar[Category] = Category.news


def work_off(host: Host, url: str, folder: Path) -> FakeMailServer:
    """Send all rows by an application of ours on the same database, with templates for the host's kinds."""
    for kind in (Receipt, Reply):
        place = folder / "theirs" / "emails" / kind.name
        place.mkdir(parents=True)
        for name, text in (("subject.txt", "Your order {{ order }}"), ("body.txt", TEXT), ("body.html", HTML)):
            (place / name).write_text(text)
    templates = merge_templates(folder / "templates", folder / "theirs")
    kinds = {**KINDS, Receipt.name: Receipt(), Reply.name: Reply()}
    ours = create_app(make_settings(database_url=url), kinds=kinds, templates=templates)
    server = FakeMailServer().attach(ours)
    with ours.app_context():
        services_of(ours).sender.deliver(host.stored(select(Notification.id)), bulk=False)
        db.session.remove()
    close(ours)
    return server


def test_a_row_of_the_host_is_sent(make_host: Callable[..., Host], database_url: str, tmp_path: Path) -> None:
    host = make_host(kinds=[Receipt()])
    host.start()
    with host.app.app_context():
        host.notifier.on(host.User, "insert")(lambda user: host.notifier.send("verification", user))
        host.notifier.send("receipt", host.add(name="Ada"), data={"order": 7})
        host.db.session.commit()
    server = work_off(host, database_url, tmp_path)
    assert [row.status for row in host.stored(select(Notification))] == [Status.sent, Status.sent]
    assert sorted(message.subject for message in server.sent)[1] == "Your order 7"
    assert {message.recipient for message in server.sent} == {"ada@example.com"}


def test_who_unsubscribed_gets_no_email_of_that_category(
    make_host: Callable[..., Host], database_url: str, tmp_path: Path
) -> None:
    host = make_host(kinds=[Receipt(), Reply()])
    host.start()
    with host.app.app_context():
        for name in ("Ada", "Bob"):
            user = host.add(f"{name.lower()}@example.com", name)
            for kind in ("reply", "receipt"):
                host.notifier.send(kind, user, data={"order": 7})
        host.db.session.commit()
    with Session(host.engine) as session:
        left = session.scalars(select(Mirrored.id).where(Mirrored.email == "ada@example.com")).one()
        preferences.decide(session, left, "news", False, how=preferences.How.page)
        session.commit()
    server = work_off(host, database_url, tmp_path)
    assert sorted(message.recipient for message in server.sent) == [
        "ada@example.com", "bob@example.com", "bob@example.com",
    ]  # fmt: skip
    [row] = host.stored(select(Notification).where(Notification.status != Status.sent))
    assert (row.kind, row.status, row.reason) == ("reply", Status.skipped, "they unsubscribed from news")
