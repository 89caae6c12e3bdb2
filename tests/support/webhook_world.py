"""A running service that providers post to: real HTTP, emails that were sent, and a server of our own as AWS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.inbound import registry
from notifier.mail.message_ids import Ids
from notifier.models import Feedback, Notification, Status, Suppression
from notifier.services import KEY, services_of
from notifier.testing.clocks import NOON
from notifier.testing.website import Answer, Person, serving
from tests.support.applications import make_owed
from tests.support.webhook_payloads import PAYLOADS
from tests.support.webhooks import Aws, Signed, signed

#: The id that the mail server gave the email, by provider: theirs have different forms.
SERVER_ID = {"mailjet": "4711", "brevo": "abc@relay.example"}


@dataclass
class World:
    """The service."""

    app: Flask
    url: str
    aws: Aws

    def email(self, number: int = 1, **values: Any) -> str:
        """Store an email that was sent to user<number>@example.com an hour ago. Return its id, with the MAC."""
        ids = Ids(services_of(self.app).settings.secret_keys)
        given = {"status": Status.sent, "sent_at": NOON - timedelta(hours=1), "id_key": ids.names[-1]} | values
        with self.app.app_context():
            return ids.make(make_owed(number, **given), f"test:{number}")

    def payload(self, provider: str, kind: str, claim: str, to: str = "user1@example.com", **parts: Any) -> Any:
        """What a provider says about an email."""
        return PAYLOADS[provider](kind, claim, to, **parts)

    def post(self, post: Signed, path: str = "") -> Answer:
        """Post over HTTP."""
        url = f"{self.url}/v1/inbound/{path or post.provider}"
        return Person(cookies=False).ask("POST", url, post.body, **post.headers)

    def report(self, provider: str, kind: str, claim: str, to: str = "user1@example.com", **parts: Any) -> Answer:
        """Post a real report about an email."""
        return self.post(signed(provider, self.payload(provider, kind, claim, to, **parts)))

    def statuses(self) -> list[str]:
        """The statuses of all emails, in their order."""
        with self.app.app_context():
            return [str(each) for each in db.session.scalars(select(Notification.status).order_by(Notification.id))]

    def delivered_at(self) -> datetime | None:
        """When the first email was delivered."""
        with self.app.app_context():
            return db.session.scalar(select(Notification.delivered_at).order_by(Notification.id).limit(1))

    def suppressed(self) -> dict[str, str]:
        """The suppressed addresses, with the reasons."""
        with self.app.app_context():
            return {each.identity_key: each.reason for each in db.session.scalars(select(Suppression))}

    def feedback(self) -> list[Feedback]:
        """The events that were stored, in their order."""
        with self.app.app_context():
            return list(db.session.scalars(select(Feedback).order_by(Feedback.id)))


def with_aws(app: Flask, aws: Aws) -> None:
    """Let the webhooks of `app` ask this server in place of AWS."""
    services = services_of(app)
    app.extensions[KEY] = replace(services, inbound=registry.configured(services.settings, aws))


@contextmanager
def world(app: Flask) -> Iterator[World]:
    """Serve `app`, whose webhooks ask our own AWS."""
    aws, port = Aws(), free_port()
    with_aws(app, aws)
    with serving(app, port):
        yield World(app, f"http://127.0.0.1:{port}", aws)
