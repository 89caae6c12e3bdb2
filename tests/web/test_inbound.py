"""The door of webhooks, over real HTTP: what an event does, what a second one does, and what is refused."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import time_machine
from flask import Flask, request
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from notifier import retention
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.inbound.sightings import states
from notifier.models import Notification, Status, WebhookToken
from notifier.page_extensions import csrf
from notifier.testing.clocks import NOON
from notifier.web import inbound
from tests.support.webhook_payloads import FULL
from tests.support.webhook_world import SERVER_ID, World, world
from tests.support.webhooks import MAILGUN_KEY, PROVIDERS, SECRET, WHSEC, Signed, settings, signed

UNSIGNED = ("postmark", "mailgun", "brevo", "mailjet")


@pytest.fixture
def service(frozen: object, make_app: Callable[..., Flask]) -> Iterator[World]:
    with world(make_app(publish=lambda keys, bulk: None, **settings())) as made:
        yield made


# What differs between databases: that rows are stored once, and that a transaction waits for another.
each_provider = pytest.mark.parametrize(
    ("provider", "database_url"),
    [*((provider, "sqlite") for provider in PROVIDERS), ("ses", "postgres"), ("mailgun", "postgres")],
    indirect=["database_url"],
)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@each_provider
def test_each_event_has_its_effect_and_a_second_one_has_none(service: World, provider: str) -> None:
    dead, alive, angry = service.email(1), service.email(2), service.email(3)
    posts = [
        signed(provider, service.payload(provider, "bounce", dead, "user1@example.com")),
        signed(provider, service.payload(provider, "delivered", alive, "user2@example.com")),
        signed(provider, service.payload(provider, "complaint", angry, "user3@example.com")),
    ]
    for _ in range(2):
        for post in posts:
            assert service.post(post).status == 200
        assert service.statuses() == ["bounced", "sent", "complained"]
        assert service.suppressed() == {"user1@example.com": "hard_bounce", "user3@example.com": "complaint"}
        assert len(service.feedback()) == 3
    assert {each.proven for each in service.feedback()} == {True}


@each_provider
def test_an_older_event_never_moves_an_email_back(service: World, provider: str) -> None:
    claim = service.email()
    for kind in ("complaint", "bounce", "delivered"):
        assert service.report(provider, kind, claim, at=NOON - timedelta(minutes=30)).status == 200
    assert service.statuses() == ["complained"]
    assert service.suppressed() == {"user1@example.com": "complaint"}
    assert service.delivered_at() is not None


@each_provider
def test_an_id_whose_mac_is_wrong_changes_nothing(service: World, provider: str) -> None:
    claim = service.email()
    forged = claim[:-1] + ("a" if claim[-1] != "a" else "b")
    for kind in ("bounce", "complaint", "delivered"):
        assert service.report(provider, kind, forged).status == 200
    assert (service.statuses(), service.suppressed(), service.delivered_at()) == (["sent"], {}, None)
    assert {each.effect for each in service.feedback()} == {"waiting"}


@each_provider
def test_the_id_of_the_server_acts_only_with_a_signature_over_the_event(service: World, provider: str) -> None:
    own = SERVER_ID.get(provider, "0102018f-1c2d")
    service.email(server_id=own)
    assert service.report(provider, "bounce", "", own=own).status == 200
    assert service.statuses() == ["sent" if provider in UNSIGNED else "bounced"]
    assert service.suppressed() == ({} if provider in UNSIGNED else {"user1@example.com": "hard_bounce"})


@on_sqlite
def test_a_full_mailbox_suppresses_no_one(service: World) -> None:
    claim = service.email()
    assert service.report("sendgrid", "bounce", claim, reply=FULL).status == 200
    assert (service.statuses(), service.suppressed()) == (["bounced"], {})


def test_a_token_of_mailgun_works_once_and_is_kept_for_a_day(service: World, frozen: time_machine.Traveller) -> None:
    first, second = service.email(1), service.email(2)
    post = signed("mailgun", service.payload("mailgun", "bounce", first), token="t" * 50)
    assert service.post(post).status == 200
    # Whoever saw it puts another event behind the same signature, which does not cover it.
    other = signed("mailgun", service.payload("mailgun", "bounce", second, "user2@example.com"), token="t" * 50)
    assert service.post(other).status == 200
    assert service.statuses() == ["bounced", "sent"]
    frozen.move_to(NOON + timedelta(hours=23))
    assert (purge(service.app), tokens(service.app)) == (0, 1)
    frozen.move_to(NOON + timedelta(hours=25))
    assert service.post(other).status == 401
    assert (purge(service.app), tokens(service.app)) == (1, 0)


@on_sqlite
def test_a_token_that_comes_again_is_no_post_that_was_taken(service: World, frozen: time_machine.Traveller) -> None:
    post = signed("mailgun", service.payload("mailgun", "bounce", service.email()), token="t" * 50)
    assert service.post(post).status == 200
    frozen.shift(timedelta(minutes=1))
    assert service.post(post).status == 200
    with service.app.app_context():
        assert states(db.session())["mailgun"].taken_at == NOON


def purge(app: Flask) -> int:
    with app.app_context():
        return retention.purge(db.session)["webhook_tokens"]


def tokens(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(WebhookToken)) or 0


def settle(app: Flask, number: int) -> None:
    with app.app_context():
        sent = {"status": Status.sent, "sent_at": NOON}
        db.session.execute(update(Notification).where(Notification.id == number).values(sent))
        db.session.commit()


def test_an_event_about_an_email_that_is_being_sent_comes_again(service: World) -> None:
    sent, sending = service.email(1), service.email(2, status=Status.sending, sent_at=None)
    events = [
        *service.payload("sendgrid", "bounce", sending, "user2@example.com", own="b"),
        *service.payload("sendgrid", "bounce", sent, "user1@example.com", own="a"),
    ]
    post = signed("sendgrid", events)
    answer = service.post(post)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert service.statuses() == ["bounced", "sending"]
    settle(service.app, 2)
    assert service.post(post).status == 200
    assert service.statuses() == ["bounced", "bounced"]


def test_the_token_of_mailgun_works_again_if_its_event_was_not_taken(service: World) -> None:
    sending = service.email(status=Status.sending, sent_at=None)
    post = signed("mailgun", service.payload("mailgun", "bounce", sending))
    assert service.post(post).status == 503
    assert tokens(service.app) == 0
    settle(service.app, 1)
    assert service.post(post).status == 200
    assert service.statuses() == ["bounced"]


def test_it_is_taken_only_if_it_is_committed(service: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = service.email()

    def lost(*_: object) -> None:
        raise OperationalError("COMMIT", {}, ConnectionError("lost"), connection_invalidated=True)

    with monkeypatch.context() as patch:
        patch.setattr("sqlalchemy.orm.Session.commit", lost)
        answer = service.report("sendgrid", "bounce", claim)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert (service.statuses(), service.feedback()) == (["sent"], [])
    assert service.report("sendgrid", "bounce", claim).status == 200
    assert service.statuses() == ["bounced"]


@on_sqlite
def test_a_batch_of_sendgrid_may_be_large(service: World) -> None:
    claims = [service.email(number) for number in range(1, 4)]
    events = [
        event
        for number, claim in enumerate(claims, 1)
        for event in service.payload("sendgrid", "bounce", claim, f"user{number}@example.com", own=str(number))
    ]
    filler = [{"event": "processed", "email": "x" * 300, "sg_event_id": str(number)} for number in range(1900)]
    post = signed("sendgrid", [*filler, *events])
    assert 600_000 < len(post.body) < 1024 * 1024
    assert service.post(post).status == 200
    assert service.statuses() == ["bounced"] * 3


@on_sqlite
def test_a_body_in_chunks_is_bounded_too(service: World) -> None:
    claim = service.email()
    post = signed("sendgrid", service.payload("sendgrid", "bounce", claim))
    padded = signed("sendgrid", [*service.payload("sendgrid", "bounce", claim), {"x": "y" * 700_000}])
    assert [in_chunks(service, each) for each in (padded, post)] == [200, 200]
    assert in_chunks(service, Signed("sendgrid", post.headers, b" " * 1_100_000)) == 413
    assert in_chunks(service, Signed("postmark", {}, b" " * 300_000)) == 413
    assert service.statuses() == ["bounced"]


def in_chunks(service: World, post: Signed) -> int:
    pieces = (post.body[start : start + 50_000] for start in range(0, len(post.body), 50_000))
    with closing(HTTPConnection(service.url.removeprefix("http://"), timeout=20)) as connection:
        path = f"/v1/inbound/{post.provider}"
        connection.request("POST", path, pieces, dict(post.headers), encode_chunked=True)
        return connection.getresponse().status


# --- who may, and who may not


@on_sqlite
def test_a_provider_that_is_not_configured_is_not_there(frozen: object, make_app: Callable[..., Flask]) -> None:
    values = settings() | {"inbound_postmark_secrets": []}
    with world(make_app(publish=lambda keys, bulk: None, **values)) as service:
        claim = service.email()
        assert service.report("postmark", "bounce", claim).status == 404
        for path in ("nobody", "SES", "ses%00", "..%2fses", "sns"):
            assert service.post(signed("sendgrid", []), path).status == 404
        assert service.statuses() == ["sent"]


@on_sqlite
def test_no_cookie_is_read_or_set(service: World) -> None:
    claim, seen = service.email(), []
    service.app.before_request(lambda: seen.append(dict(request.cookies)))
    post = signed("sendgrid", service.payload("sendgrid", "bounce", claim))
    answer = service.post(post.with_headers(Cookie="notifier=anything; session=x", Origin="https://evil.example"))
    assert (answer.status, seen) == (200, [{}])
    assert answer.headers["Set-Cookie"] is None
    assert answer.headers["Cache-Control"] == "no-store"


def test_two_views_need_no_csrf_token() -> None:
    """One-click unsubscribing (RFC 8058) and webhooks: each proves itself in another way."""
    assert csrf._exempt_views == {"notifier.web.consent.unsubscribe", "notifier.web.inbound.receive"}
    assert csrf._exempt_blueprints == set()


@on_sqlite
def test_one_client_cannot_post_without_end(
    frozen: object, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "PER_CLIENT", "3 per minute")
    with world(make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True, **settings())) as service:
        answers = [service.post(Signed("sendgrid", {}, b"[]")) for _ in range(5)]
        assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_while_the_database_is_away_it_says_so(
    frozen: object, make_app: Callable[..., Flask], provider: str, database_url: str
) -> None:
    address = f"postgresql://p@127.0.0.1:{free_port()}/x"
    with world(make_app(publish=lambda keys, bulk: None, database_url=address, **settings())) as service:
        answer = service.report(provider, "bounce", "1.aaaaaaaaaaaaaaaa")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        # The proof needs no database.
        assert service.post(Signed(provider, {}, b"{}")).status in {400, 401}


@on_sqlite
def test_no_secret_and_no_address_is_in_a_log_line(service: World, caplog: pytest.LogCaptureFixture) -> None:
    claim = service.email()
    secrets = [SECRET, MAILGUN_KEY, WHSEC, WHSEC[6:], "user1@example.com", claim.partition(".")[2]]
    with caplog.at_level(logging.DEBUG):
        for provider in PROVIDERS:
            post = signed(provider, service.payload(provider, "bounce", claim))
            secrets += [value for name, value in post.headers.items() if name != "Content-Type"]
            for each in (post, post.with_body(lambda body: body[:-1]), Signed(provider, {}, post.body), wrong(post)):
                assert service.post(each).status in {200, 400, 401}
    said = "\n".join(f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records)
    assert said.count("inbound.refused") >= len(PROVIDERS)
    # Timestamps are no secret.
    assert [each for each in secrets if len(each) > 10 and not each.isdigit() and each in said] == []


def wrong(post: Signed) -> Signed:
    """The same post with the secrets of a person who mistyped them."""
    changes: dict[str, Any] = {name: value[:-1] for name, value in post.headers.items() if name != "Content-Type"}
    return post.with_headers(**changes)
