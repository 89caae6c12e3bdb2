"""A batch of emails gives each item the answer that it would get alone."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from notifier import clock, ledger
from notifier.consent import preferences
from notifier.consent.suppressions import add as suppress
from notifier.entries import standing
from notifier.extensions import db
from notifier.models import Notification, SuppressionReason, User
from notifier.reasons import ReasonCode
from notifier.services import services
from tests.api.conftest import Api, count

LATER = "2126-01-01T08:00:00Z"


def item(key: str, **change: Any) -> dict[str, Any]:
    return {"key": key, "to": "u1", "kind": "verification"} | change


def ask(api: Api, *items: dict[str, Any]) -> tuple[dict[int, Any], dict[int, str]]:
    """What is stored, and what is wrong, by place."""
    shown = api("POST", "/notifications/batch", {"notifications": items}).get_json()
    stored = {each["index"]: each["notification"] for each in shown["data"]}
    return stored, {each["index"]: each["problem"]["code"] for each in shown["errors"]}


@pytest.fixture
def people(api: Api) -> Api:
    for number in (1, 2):
        api("PUT", f"/users/u{number}", {"email": f"u{number}@example.com"})
    api("PUT", "/users/u3", {})
    return api


def test_each_item_is_told_what_is_wrong_with_it(people: Api, app: Flask) -> None:
    people.send("used", to="u2", kind="verification")
    items = (
        item("ok"), item("gone", to="u9"), item("bare", to="u3"), item("used"), item("kind", kind="none"),
        item("until", until="2020-01-01T00:00:00Z"), item("data", data={"a": 1}), item("ok", at=LATER),
    )  # fmt: skip
    stored, wrong = ask(people, *items)
    assert list(stored) == [0]
    assert wrong == {
        1: "unknown-user", 2: "no-address", 3: "key-reused", 4: "invalid", 5: "invalid", 6: "invalid", 7: "key-reused",
    }  # fmt: skip
    assert count(app, Notification) == 2


def test_a_repeated_batch_gets_the_same_answers_and_a_single_request_too(people: Api, enqueued: list[int]) -> None:
    items = [item("a"), item("b", to="u2", until=LATER), item("c", at=LATER)]
    first = ask(people, *items)
    assert ask(people, *items) == first
    single = {name: value for name, value in items[1].items() if name != "key"}
    assert people.send("b", **single).get_json() == first[0][1]
    assert enqueued == [int(first[0][index]["id"]) for index in (0, 1)]


def test_those_that_come_to_rest_at_once_are_events(people: Api, app: Flask, client_with: Callable[..., Api]) -> None:
    feed = client_with("events:read")
    notice = {"kind": "security_message", "data": {"subject": "s", "text": "t"}}
    stored, _ = ask(people, item("a", **notice), item("b"), item("c", to="u2", **notice))
    ask(people, item("a", **notice))
    with app.app_context():
        services().publishing.run()
    events = feed("GET", "/events").get_json()["data"]
    assert [(each["type"], each["data"]["id"]) for each in events] == [
        ("notification.skipped", int(stored[index]["id"])) for index in (0, 2)
    ]


def test_a_person_who_gets_nothing_is_told_of(people: Api, app: Flask, enqueued: list[int]) -> None:
    with app.app_context():
        suppress(db.session(), "u1@example.com", reason=SuppressionReason.complaint, source="test", evidence="")
        db.session.commit()
    notice = {"kind": "security_message", "data": {"subject": "s", "text": "t"}}
    stored, wrong = ask(people, item("a"), item("b", to="u2", **notice), item("c", to="u2"))
    assert wrong == {}
    assert [(each["status"], each["reason_code"]) for each in stored.values()] == [
        ("suppressed", "suppressed"), ("skipped", "not_confirmed"), ("accepted", None),
    ]  # fmt: skip
    assert enqueued == [int(stored[2]["id"])]


def test_a_person_who_comes_along_is_there_for_the_items_behind_them(people: Api) -> None:
    new = {"id": "u7", "email": "u7@example.com"}
    stored, wrong = ask(people, item("c", to="u7"), item("b", to=new), item("a", to="u7"))
    assert (list(stored), wrong) == ([0, 1], {2: "unknown-user"})


def test_keys_of_another_principal_are_others(people: Api, client_with: Callable[..., Api]) -> None:
    mine, _ = ask(people, item("a"))
    theirs, _ = ask(client_with("notifications:write", principal="billing"), item("a"))
    assert theirs[0]["key"] == "a"
    assert theirs[0]["id"] != mine[0]["id"]


def test_a_key_for_one_kind_sends_no_other_one(people: Api, client_with: Callable[..., Api]) -> None:
    narrow = client_with("send:verification")
    stored, wrong = ask(narrow, item("a"), item("b", kind="account_exists"))
    assert (list(stored), wrong) == ([0], {1: "missing-scope"})


def test_facts_keep_their_order(people: Api, app: Flask) -> None:
    """Postgres' own JSON would sort them, and a template shows them in their order."""
    ask(people, item("a", at=LATER))
    people.send("b", to="u1", kind="verification", at=LATER)
    with app.app_context():
        many, single = db.session.scalars(select(Notification.params).order_by(Notification.id))
    assert list(many) == list(single) == ["fingerprint", "send_at"]


def test_a_thousand_emails_take_a_handful_of_statements(people: Api, app: Flask, database_url: str) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite takes one by one: it has no round trips")
    items, statements = [item(f"k{number}") for number in range(100)], []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        for _ in range(2):
            stored, _ = ask(people, *items)
            assert len(stored) == 100
    assert len(statements) <= 10
    assert count(app, Notification) == 100


def test_a_category_that_a_person_unsubscribed_from_stands_against_its_emails(people: Api, app: Flask) -> None:
    with app.app_context():
        connection, kinds = db.session.connection(), services().kinds
        news, account = kinds["announcement"], kinds["verification"]
        users = dict(db.session.execute(select(User.external_id, User.id)).all())
        db.session.execute(update(User).values(verified_at=clock.now()))
        preferences.decide(db.session(), users["u1"], news.category, wanted=False, how=preferences.How.page)
        db.session.flush()
        found = standing.find_many(connection, ["u1", "u2"], [news, account])
        assert standing.find(connection, "u1", news) == found["u1"]
        assert found["u1"].reason_against(news) == ledger.why(ReasonCode.excluded, why="they unsubscribed from news")
        assert found["u2"].reason_against(news) is None
        assert found["u1"].reason_against(account) is None
