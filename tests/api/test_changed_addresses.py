"""A person gets another address: the old one is told, its unsubscribe links work on, its suppression stays with it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.consent import preferences, suppressions
from notifier.extensions import db
from notifier.models import Notification, Status, SuppressionReason, User
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from tests.api.conftest import Api

ADA = {"email": "ada@example.com", "name": "Ada", "verified_at": "2026-01-01T00:00:00Z"}
NEW = {"email": "ada@elsewhere.example", "name": "Ada"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def told(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        rows = db.session.scalars(select(Notification).where(Notification.kind == "address_changed"))
        return [(row.recipient, row.status) for row in rows]


def send_all(app: Flask) -> FakeMailServer:
    server = FakeMailServer().attach(app)
    with app.app_context():
        keys = list(db.session.scalars(select(Notification.id).where(Notification.status == Status.pending)))
        services_of(app).sender.deliver(keys)
    return server


def old_link(app: Flask, *, preferences_page: bool = False) -> str:
    """A link of an email to the old address."""
    who = {"user_id": 1, "identity_key": "ada@example.com", "notification_id": None, "issued_at": clock.now()}
    links = services_of(app).links
    url = links.preferences(**who) if preferences_page else links.unsubscribe(category="news", **who)
    return url.removeprefix("http://notifier.test")


def wants_news(app: Flask) -> bool:
    with app.app_context():
        return preferences.of(db.session(), 1)["news"].wanted


def test_a_confirmed_address_is_told_once_and_not_the_new_one(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    for _ in range(2):
        assert api("PUT", "/users/u1", NEW).status_code == 200
    assert told(app) == [("ada@example.com", "pending")]
    (handed,) = send_all(app).handed
    assert handed.message.recipient == "ada@example.com"
    assert "has changed" in handed.message.subject
    for text in (handed.message.text, handed.message.html):
        assert "We" in text
        assert "elsewhere.example" not in text
    assert told(app) == [("ada@example.com", "sent")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ADA | {"verified_at": None}, NEW),
        (ADA | {"email": None}, NEW),
        (ADA, ADA | {"name": "Ada Lovelace"}),
        (ADA, ADA | {"email": "ADA@example.com"}),
    ],
)
def test_none_is_told_who_has_nothing_to_learn(
    api: Api, app: Flask, before: dict[str, object], after: dict[str, object]
) -> None:
    api("PUT", "/users/u1", before)
    api("PUT", "/users/u1", after)
    assert told(app) == []


def test_an_address_that_is_taken_away_is_told(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    api("PUT", "/users/u1", {"email": None})
    assert told(app) == [("ada@example.com", "pending")]


def test_a_person_who_comes_along_with_an_email_is_told_too(
    api: Api, app: Flask, client_with: Callable[..., Api]
) -> None:
    api("PUT", "/users/u1", ADA)
    client_with("send:verification").send("a", to=NEW | {"id": "u1"}, kind="verification")
    assert told(app) == []
    api.send("b", to=NEW | {"id": "u1"}, kind="verification")
    assert told(app) == [("ada@example.com", "pending")]


def test_an_address_that_was_put_back_is_told_nothing(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    api("PUT", "/users/u1", NEW)
    api("PUT", "/users/u1", ADA)
    assert send_all(app).handed == []
    assert told(app) == [("ada@example.com", "skipped")]


def test_a_suppression_stays_with_the_old_address(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    with app.app_context():
        suppressions.add(
            db.session(), "ada@example.com", reason=SuppressionReason.hard_bounce, source="smtp", evidence="gone"
        )
        db.session.commit()
    api("PUT", "/users/u1", NEW)
    assert api.send("a", to="u1", kind="verification").get_json()["status"] == "accepted"
    (handed,) = send_all(app).handed
    assert handed.message.recipient == "ada@elsewhere.example"
    assert told(app) == [("ada@example.com", "suppressed")]


def test_unsubscribe_links_of_the_old_address_work_for_sixty_days(
    api: Api, app: Flask, frozen: time_machine.Traveller
) -> None:
    api("PUT", "/users/u1", ADA)
    link, page = old_link(app), app.test_client()
    frozen.shift(timedelta(days=100))
    api("PUT", "/users/u1", NEW)
    frozen.shift(timedelta(days=60) - timedelta(seconds=1))
    looked = page.get(link)
    assert looked.status_code == 200
    assert b"elsewhere" not in looked.data
    assert b"/preferences/" not in looked.data
    assert wants_news(app)
    done = page.post(link, data=ONE_CLICK)
    assert done.status_code == 200
    assert b"elsewhere" not in done.data
    assert b"/undo" not in done.data
    assert not wants_news(app)
    frozen.shift(timedelta(seconds=1))
    assert page.get(link).status_code == page.post(link, data=ONE_CLICK).status_code == 404


def test_a_second_change_keeps_the_links_of_the_first_address(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    link = old_link(app)
    api("PUT", "/users/u1", NEW)
    api("PUT", "/users/u1", NEW | {"email": "ada@third.example"})
    assert app.test_client().post(link, data=ONE_CLICK).status_code == 200
    assert not wants_news(app)


def test_an_old_link_only_unsubscribes(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    unsubscribe, choose, page = old_link(app), old_link(app, preferences_page=True), app.test_client()
    assert page.get(choose).status_code == 200
    api("PUT", "/users/u1", NEW)
    assert page.get(choose).status_code == 404
    page.post(unsubscribe, data=ONE_CLICK)
    app.config["WTF_CSRF_ENABLED"] = False
    assert page.post(f"{unsubscribe}/undo").status_code == 404
    assert not wants_news(app)


def test_a_link_of_another_address_is_none_before_a_change(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", NEW)
    assert app.test_client().get(old_link(app)).status_code == 404


def test_an_erased_person_has_no_links(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    link = old_link(app)
    api("PUT", "/users/u1", NEW)
    api("DELETE", "/users/u1")
    assert app.test_client().get(link).status_code == 404
    with app.app_context():
        assert db.session.scalars(select(User.address_changed_at)).one() is None
