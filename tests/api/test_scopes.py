"""Every scope against every operation, from the document: later operations are covered by themselves."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import Notification, User
from notifier.operators.scopes import Scope
from tests.api.conftest import Api, code_of, count, filled, make_key, operations
from tests.support.one_database import database_url

__all__ = ["database_url"]

SCOPES = (*Scope, "send:verification")


def needed(operation: Mapping[str, Any]) -> set[str]:
    return {scope for each in operation["security"] for scope in each["apiKey"]}


def is_admitted(scope: str, operation: Mapping[str, Any]) -> bool:
    return scope in needed(operation) or (scope.startswith("send:") and "send:<kind>" in needed(operation))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_with_one_scope_may_do_only_that(app: Flask, spec: Mapping[str, Any], scope: str) -> None:
    api, wrong = Api(app, make_key(app, scope)), []
    for method, path, operation in operations(spec):
        body = {} if "requestBody" in operation else None
        answer = api(method, filled(path), body, Idempotency_Key="k")
        refused = answer.status_code == 403 and code_of(answer) == "missing-scope"
        if refused is is_admitted(scope, operation) or answer.status_code in (401, 500):
            wrong.append((method, path, answer.status_code))
        if refused and not any(each in answer.get_json()["detail"] for each in needed(operation)):
            wrong.append((method, path, "the missing scope is not named"))
    assert wrong == []


def test_without_a_key_nothing_is_done(app: Flask, spec: Mapping[str, Any]) -> None:
    api = Api(app, None)
    for method, path, operation in operations(spec):
        answer = api(method, filled(path), {} if "requestBody" in operation else None)
        assert (answer.status_code, code_of(answer)) == (401, "unauthorized"), (method, path)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="notifier"'


def test_every_operation_names_a_scope_of_the_list(spec: Mapping[str, Any]) -> None:
    unknown = [
        (method, path) for method, path, each in operations(spec) if not needed(each) - {"send:<kind>"} <= set(Scope)
    ]
    assert unknown == []
    assert all(needed(each) for _, _, each in operations(spec))


def test_a_key_for_one_kind_sends_no_other(client_with: Callable[..., Api], app: Flask) -> None:
    person = {"id": "u1", "email": "ada@example.com"}
    api = client_with("send:verification")
    assert api.send("a", to=person, kind="verification").status_code == 201
    refused = api.send("b", to=person, kind="security_message", data={"subject": "s"})
    assert (refused.status_code, code_of(refused)) == (403, "missing-scope")
    assert count(app, Notification) == 1


def test_an_item_of_a_kind_that_the_key_may_not_send_is_refused_by_itself(client_with: Callable[..., Api]) -> None:
    person = {"id": "u1", "email": "ada@example.com"}
    items = [{"key": kind, "to": person, "kind": kind} for kind in ("verification", "account_exists")]
    answer = client_with("send:verification")("POST", "/notifications/batch", {"notifications": items}).get_json()
    assert [each["index"] for each in answer["data"]] == [0]
    assert [(each["index"], each["problem"]["code"]) for each in answer["errors"]] == [(1, "missing-scope")]


def test_a_key_for_one_kind_changes_no_person(client_with: Callable[..., Api], api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", {"email": "ada@example.com", "name": "Ada", "verified_at": "2026-01-01T00:00:00Z"})
    before = api("GET", "/users/u1").get_json()
    sender = client_with("send:verification")
    stolen = {"id": "u1", "email": "thief@example.com", "name": "Thief"}
    assert sender.send("a", to=stolen, kind="verification").status_code == 201
    assert api("GET", "/users/u1").get_json() == before
    with app.app_context():
        assert db.session.scalars(select(Notification.recipient)).one() == "ada@example.com"
    for method, path in (("PUT", "/users/u1"), ("GET", "/users/u1"), ("GET", "/notifications/1")):
        assert sender(method, path, {} if method == "PUT" else None).status_code == 403
    assert count(app, User) == 1


def test_a_key_for_one_kind_confirms_no_address(client_with: Callable[..., Api], app: Flask) -> None:
    person = {"id": "u2", "email": "bo@example.com", "verified_at": "2026-01-01T00:00:00Z"}
    refused = client_with("send:verification").send("a", to=person, kind="verification")
    assert (refused.status_code, code_of(refused)) == (403, "missing-scope")
    assert "users:write" in refused.get_json()["detail"]
    assert count(app, User) == 0
