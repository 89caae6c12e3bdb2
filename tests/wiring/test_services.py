"""Each application has its own parts, and the doors ask those of the application whose context is pushed."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from flask import Flask

from notifier.services import services, services_of
from notifier.tasks.publisher import Publisher
from tests.support.applications import make_owed
from tests.support.services import replace_services

pytestmark = pytest.mark.usefixtures("frozen")


def test_each_application_has_its_own(make_app: Callable[..., Flask]) -> None:
    one, other = make_app(not_me_days=3), make_app(not_me_days=4)
    with one.app_context():
        assert services() is services_of(one)
        assert services().settings.not_me_days == 3
    with other.app_context():
        assert services().settings.not_me_days == 4
    assert services_of(one).sender is not services_of(other).sender


def test_without_a_context_there_are_none() -> None:
    with pytest.raises(RuntimeError, match="application context"):
        services()


def test_a_part_is_replaced_as_a_copy_of_all(app: Flask) -> None:
    before = services_of(app)
    with pytest.raises(FrozenInstanceError):
        before.probes = list  # type: ignore[misc]
    replace_services(app, probes=list)
    assert services_of(app).probes() == []
    assert services_of(app).sender is before.sender


def test_who_replaces_the_broker_for_email_alone_publishes_nothing_else(
    make_app: Callable[..., Flask], enqueued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(Publisher, "expand", lambda self, runs, bulk: asked.extend(runs))
    app = make_app(publish=lambda keys, bulk: enqueued.extend(keys), publish_requests=lambda keys, bulk: None)
    with app.app_context():
        key = make_owed()
        assert services().run_effects.started([7])
    assert (enqueued, asked) == ([key], [])
