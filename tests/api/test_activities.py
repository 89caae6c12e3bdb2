"""Activities over HTTP: one by one, and ten thousand at a time."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.accounts.erasure import erase
from notifier.extensions import db
from notifier.models import Activity, User
from notifier.operators.audit_log import COMMAND_LINE
from tests.api.conftest import Api, code_of, count, make_key, mistakes_of

LIKE = {
    "to": "u1", "kind": "like", "id": "like:1", "at": "2026-11-20T09:00:00+01:00", "actor": "Bo",
    "object_key": "photo:1", "object_title": "Sunrise über dem Meer 🌅",
}  # fmt: skip


@pytest.fixture
def ada(api: Api) -> Api:
    api("PUT", "/users/u1", {"email": "ada@example.com"})
    return api


def test_an_activity_is_stored_once_for_its_id(ada: Api) -> None:
    first = ada("POST", "/activities", LIKE)
    assert (first.status_code, first.get_json()) == (201, LIKE | {"at": "2026-11-20T08:00:00Z"})
    again = ada("POST", "/activities", LIKE)
    assert (again.status_code, again.data) == (200, first.data)
    other = ada("POST", "/activities", LIKE | {"actor": "Cy"})
    assert (other.status_code, code_of(other)) == (422, "key-reused")
    assert count(ada.app, Activity) == 1


def test_an_activity_without_an_id_is_another_one_each_time(ada: Api) -> None:
    body = {"to": "u1", "kind": "follow"}
    assert [ada("POST", "/activities", body).status_code for _ in range(2)] == [201, 201]
    assert count(ada.app, Activity) == 2


def test_an_activity_of_nobody(ada: Api, app: Flask) -> None:
    assert code_of(ada("POST", "/activities", LIKE | {"to": "u9"})) == "unknown-user"
    with app.app_context():
        erase(db.session(), db.session.scalars(select(User)).one(), keys=["k" * 32], by=COMMAND_LINE)
        db.session.commit()
    assert code_of(ada("POST", "/activities", LIKE)) == "unknown-user"
    batch = ada("POST", "/activities/batch", {"activities": [LIKE]}).get_json()
    assert (batch["stored"], [each["problem"]["code"] for each in batch["errors"]]) == (0, ["unknown-user"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "Like"), ("kind", ""), ("kind", "k" * 33), ("to", ""), ("id", ""), ("id", "é"), ("id", "i" * 201),
        ("at", 5), ("at", "2026-11-20"), ("actor", "a" * 65), ("actor", "a\nb"), ("actor", "a\u202eb"),
        ("object_key", "o" * 65), ("object_key", "a\tb"), ("object_title", "t" * 201), ("more", 1),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(ada: Api, field: str, value: Any) -> None:
    assert set(mistakes_of(ada("POST", "/activities", LIKE | {field: value}))) == {f"#/{field}"}
    batch = ada("POST", "/activities/batch", {"activities": [LIKE | {field: value}]}).get_json()
    assert [each["pointer"] for each in batch["errors"][0]["problem"]["errors"]] == [f"#/{field}"]
    assert count(ada.app, Activity) == 0


def test_a_batch_is_taken_item_by_item(ada: Api) -> None:
    ada("POST", "/activities", LIKE)
    items = [
        LIKE | {"actor": "known, so the first stays"},
        LIKE | {"id": "like:2"},
        LIKE | {"id": "like:2"},
        {"to": "u1", "kind": "like"},
        None,
        LIKE | {"to": "u9", "id": "like:3"},
        LIKE | {"id": "like:4", "at": None},
    ]
    shown = ada("POST", "/activities/batch", {"activities": items}).get_json()
    assert (shown["stored"], shown["known"]) == (2, 2)
    codes = [(each["index"], each["problem"]["code"]) for each in shown["errors"]]
    assert codes == [(3, "invalid"), (4, "invalid"), (5, "unknown-user")]
    again = ada("POST", "/activities/batch", {"activities": items}).get_json()
    assert (again["stored"], again["known"]) == (0, 4)
    with ada.app.app_context():
        rows = db.session.execute(select(Activity.external_id, Activity.actor, Activity.object_title)).all()
    assert sorted(rows) == [(f"like:{n}", "Bo", LIKE["object_title"]) for n in (1, 2, 4)]


def test_another_principal_has_other_ids(ada: Api, app: Flask) -> None:
    billing = Api(app, make_key(app, "activities:write", principal="billing"))
    ada("POST", "/activities", LIKE)
    assert billing("POST", "/activities", LIKE).status_code == 201
    items = [LIKE, LIKE | {"id": "x" * 200}]
    shown = billing("POST", "/activities/batch", {"activities": items}).get_json()
    assert (shown["stored"], shown["known"]) == (1, 1)
    assert count(app, Activity) == 3


def test_ten_thousand_at_once_and_no_more(ada: Api) -> None:
    items = [LIKE | {"id": f"like:{n}"} for n in range(10_000)]
    shown = ada("POST", "/activities/batch", {"activities": items}).get_json()
    assert shown == {"stored": 10_000, "known": 0, "errors": []}
    answer = ada("POST", "/activities/batch", {"activities": [*items, LIKE]})
    assert mistakes_of(answer) == {"#/activities": "too-long"}
