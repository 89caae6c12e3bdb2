"""The page of webhooks: which are open, what came last, and why posts are refused."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event as sa_event

from notifier.extensions import db
from notifier.inbound.sightings import EVERY, Sightings, is_refusing, states
from notifier.models import Role, WebhookState
from notifier.testing.clocks import NOON
from notifier.testing.operators import Desk
from tests.support.webhook_world import World, world
from tests.support.webhooks import PROVIDERS, Signed, settings, signed

PAGE = "/admin/webhooks/"


@pytest.fixture
def service(frozen: time_machine.Traveller, make_app: Callable[..., Flask]) -> Iterator[World]:
    with world(make_app(publish=lambda keys, bulk: None, **settings())) as made:
        yield made


def lines(page: str) -> dict[str, str]:
    """The text of each provider's line."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    texts = [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in rows]
    return {text.partition(" http")[0].rpartition(" ")[0]: text for text in texts}


def test_closed_webhooks_are_listed_with_their_address(desk: Callable[..., Desk]) -> None:
    found = lines(desk(Role.viewer).get(PAGE).text)
    assert list(found) == ["Amazon SES", "Postmark", "Mailgun", "SendGrid", "Brevo", "Mailjet", "Resend"]
    assert found["Amazon SES"].endswith("off http://notifier.test/v1/inbound/ses")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_wrong_proof_is_told_until_a_post_is_taken(
    service: World, make_operator: Callable[..., int], frozen: time_machine.Traveller, provider: str
) -> None:
    claim = service.email()
    right = signed(provider, service.payload(provider, "bounce", claim))
    assert service.post(Signed(provider, {}, b"{}")).status in {400, 401}
    assert service.post(right.with_body(lambda body: b"{")).status in {400, 401}
    with service.app.app_context():
        (state,) = states(db.session()).values()
        assert (state.provider, state.refused_at, state.refusals, state.taken_at) == (provider, NOON, 1, None)
        assert state.refusal
        assert is_refusing(state)
    assert service.post(right).status == 200
    with service.app.app_context():
        state = db.session.get_one(WebhookState, provider)
        assert state.taken_at == NOON
        frozen.shift(EVERY)
        Sightings().taken(db.session(), provider, NOON + EVERY)
        assert not is_refusing(db.session.get_one(WebhookState, provider, populate_existing=True))


def test_the_page_says_since_when_and_why(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    here, notes = desk(Role.viewer), Sightings()
    with app.app_context():
        notes.taken(db.session(), "ses", NOON - timedelta(hours=2))
        notes.refused(db.session(), "ses", "the signature is wrong", NOON - timedelta(hours=1))
        notes.refused(db.session(), "ses", "the signature is wrong", NOON - timedelta(minutes=5))
        db.session.commit()
        assert states(db.session())["ses"].refusals == 2
    found = lines(here.get(PAGE).text)["Amazon SES"]
    assert "5 minutes ago : the signature is wrong" in found
    assert "No post was taken since 20 Nov 2026 11:00:00 UTC ." in found


def test_a_webhook_that_never_took_a_post_says_so(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    with app.app_context():
        Sightings().refused(db.session(), "ses", "the signature is wrong", NOON - timedelta(hours=1))
        db.session.commit()
    found = lines(desk(Role.viewer).get(PAGE).text)["Amazon SES"]
    assert "Never taken; refused since 20 Nov 2026 11:00:00 UTC ." in found


def test_refusals_begin_anew_after_a_post_that_was_taken(app: Flask, frozen: time_machine.Traveller) -> None:
    notes = Sightings()
    with app.app_context():
        for minute, taken in enumerate((False, True, False)):
            now = NOON + timedelta(minutes=minute)
            if taken:
                notes.taken(db.session(), "ses", now)
            else:
                notes.refused(db.session(), "ses", f"cause {minute}", now)
        db.session.commit()
        state = states(db.session())["ses"]
        assert (state.refused_since, state.refusals, state.refusal) == (NOON + timedelta(minutes=2), 1, "cause 2")


def test_a_flood_writes_once_in_ten_seconds(app: Flask, frozen: time_machine.Traveller) -> None:
    statements: list[str] = []
    notes = Sightings()
    with app.app_context():
        sa_event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        for second in range(20):
            now = NOON + timedelta(seconds=second)
            for _ in range(50):
                notes.refused(db.session(), "ses", "x", now)
        db.session.commit()
    assert sum("INSERT" in each for each in statements) == 2


def test_a_post_that_is_taken_after_refusals_is_noted_at_once(app: Flask, frozen: time_machine.Traveller) -> None:
    notes = Sightings()
    with app.app_context():
        notes.taken(db.session(), "ses", NOON)
        notes.refused(db.session(), "ses", "x", NOON + timedelta(seconds=5))
        notes.taken(db.session(), "ses", NOON + timedelta(seconds=6))
        db.session.commit()
        assert states(db.session())["ses"].taken_at == NOON + timedelta(seconds=6)
