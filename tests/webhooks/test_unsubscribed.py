"""Each way in which a person can refuse a category is told as `user.unsubscribed`, once, by its name."""

from collections.abc import Callable

import pytest
from flask import Flask

from notifier.bounces.reasons import Reason
from notifier.consent.preferences import REFUSABLE
from notifier.extensions import db
from notifier.models import WebhookEndpoint
from notifier.operators.scopes import Scope
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.testing.clocks import NOON
from notifier.webhooks import feed
from tests.api.conftest import Api, make_key
from tests.support.applications import make_owed, make_user
from tests.support.feedback import event, send
from tests.support.one_database import database_url

__all__ = ["database_url"]

ADDRESS = "user1@example.com"


def link(app: Flask, kind: str) -> str:
    links, who = services_of(app).links, {"user_id": 1, "identity_key": ADDRESS, "notification_id": None}
    if kind == "preferences":
        return links.preferences(issued_at=NOON, **who).removeprefix("http://notifier.test")
    return links.unsubscribe(issued_at=NOON, category="news", **who).removeprefix("http://notifier.test")


def submit(app: Flask, kind: str, **fields: str) -> None:
    visitor, path = Visitor(app), link(app, kind)
    answer = visitor.post(path, {"csrf_token": visitor.token(path), **fields})
    assert answer.status_code in (200, 303)


def by_one_click(app: Flask) -> None:
    assert Visitor(app).post(link(app, "unsubscribe"), {"List-Unsubscribe": "One-Click"}).status_code == 200


def on_the_page(app: Flask) -> None:
    submit(app, "unsubscribe")


def with_all_preferences(app: Flask) -> None:
    submit(app, "preferences", stop="1")


def by_the_application(app: Flask) -> None:
    decided = {"news": {"wanted": False}, "evidence": {"source": "settings", "time": NOON.isoformat()}}
    assert Api(app, make_key(app, *Scope))("PUT", "/users/u1/preferences", decided).status_code == 200


def by_an_import(app: Flask) -> None:
    api = Api(app, make_key(app, *Scope))
    answer = api.client.post(
        "/v1/imports", data=f"email,reason\n{ADDRESS},unsubscribed\n", content_type="text/csv",
        headers={"Authorization": f"Bearer {api.key}"}, query_string={"kind": "suppressions"},
    )  # fmt: skip
    assert answer.get_json()["numbers"]["opted_out"] == 1


def by_a_complaint(app: Flask) -> None:
    message = send(app, make_owed(2))
    services_of(app).intake.take(db.session(), event(message.notifier_id, Reason.ABUSE))
    db.session.commit()


@pytest.mark.parametrize(
    ("way", "user", "categories", "how"),
    [
        (by_one_click, 1, ("news",), "one_click"),
        (on_the_page, 1, ("news",), "page"),
        (with_all_preferences, 1, REFUSABLE, "page"),
        (by_the_application, 1, ("news",), "application"),
        (by_an_import, 1, REFUSABLE, "import"),
        (by_a_complaint, 2, REFUSABLE, "complaint"),
    ],
)
def test_it_is_told(
    hooked: Flask,
    add: Callable[..., WebhookEndpoint],
    way: Callable[[Flask], None],
    user: int,
    categories: tuple[str, ...],
    how: str,
) -> None:
    add("https://hooks.example/", types=("user.unsubscribed",))
    make_user(ADDRESS, external_id="u1")
    way(hooked)
    services_of(hooked).publishing.run()
    told = [each.data for each in feed.read(db.session(), types=["user.unsubscribed"])]
    assert [(each["user"]["id"], each["category"], each["how"]) for each in told] == [
        (user, category, how) for category in categories
    ]
