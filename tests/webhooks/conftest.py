"""Endpoints on loopback, and the emails that they are told about."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask import Flask

from notifier.events import TYPES
from notifier.extensions import db
from notifier.models import WebhookEndpoint
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from tests.support.receiver import Receiver, Reply, says


@pytest.fixture
def hooked(frozen: time_machine.Traveller, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """An application whose webhooks may be on this machine, with its context."""
    app = make_app(publish=lambda keys, bulk: None, webhook_loopback=True)
    with app.app_context():
        yield app


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Starts a server of another application."""
    made: list[Receiver] = []

    def make(reply: Reply | None = None) -> Receiver:
        made.append(Receiver(reply or says()))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def add(hooked: Flask) -> Callable[..., WebhookEndpoint]:
    """Stores an endpoint for all types, or for these."""

    def make(url: str, types: tuple[str, ...] = TYPES, secret: str = "") -> WebhookEndpoint:
        endpoint, _ = services_of(hooked).endpoints.add(db.session(), url, types, by=SYSTEM, secret=secret)
        db.session.commit()
        return endpoint

    return make
