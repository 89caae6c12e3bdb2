"""A row that a host wrote is sent by notifier's own application on the same database, in the host's words."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from notifier.app import create_app
from notifier.emails import KINDS, Category, EmailKind, Owed
from notifier.extensions import db
from notifier.models import Notification, Status
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


def test_a_row_of_the_host_is_sent(make_host: Callable[..., Host], database_url: str, tmp_path: Path) -> None:
    host = make_host(kinds=[Receipt()])
    host.start()
    with host.app.app_context():
        host.notifier.on(host.User, "insert")(lambda user: host.notifier.send("verification", user))
        host.notifier.send("receipt", host.add(name="Ada"), data={"order": 7})
        host.db.session.commit()
    folder = tmp_path / "theirs" / "emails" / "receipt"
    folder.mkdir(parents=True)
    for name, text in (("subject.txt", "Your order {{ order }}"), ("body.txt", TEXT), ("body.html", HTML)):
        (folder / name).write_text(text)
    templates = merge_templates(tmp_path / "templates", tmp_path / "theirs")
    kinds = {**KINDS, Receipt.name: Receipt()}
    ours = create_app(make_settings(database_url=database_url), kinds=kinds, templates=templates)
    server = FakeMailServer().attach(ours)
    with ours.app_context():
        services_of(ours).sender.deliver(host.stored(select(Notification.id)), bulk=False)
        db.session.remove()
    close(ours)
    assert [row.status for row in host.stored(select(Notification))] == [Status.sent, Status.sent]
    assert sorted(message.subject for message in server.sent)[1] == "Your order 7"
    assert {message.recipient for message in server.sent} == {"ada@example.com"}
