"""Every error is a problem, whoever refuses, and says nothing about the inside."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from notifier.api.mounting import KEY
from notifier.api.operation import NEEDS
from notifier.api.resources import users
from notifier.app import ready
from notifier.extensions import db
from tests.api.conftest import Api, code_of, filled, make_key, mistakes_of, operations
from tests.support.one_database import database_url

__all__ = ["database_url"]


@pytest.mark.parametrize("path", ["/nothing", "/users/", "/users//a", "/users/a/b", "/problems/none", ""])
def test_an_address_that_is_not_there(api: Api, path: str) -> None:
    assert (api("GET", path).status_code, code_of(api("GET", path))) == (404, "not-found")


def test_a_method_that_is_not_there(api: Api, spec: Mapping[str, Any]) -> None:
    for path in spec["paths"]:
        for method in ("PATCH", "TRACE", "OPTIONS"):
            answer = api(method, filled(path))
            assert (answer.status_code, code_of(answer)) == (405, "method-not-allowed")
            assert answer.headers["Allow"]


def test_a_host_that_is_not_ours(api: Api) -> None:
    answer = api("GET", "/users", Host="evil.example")
    assert (answer.status_code, code_of(answer)) == (400, "bad-request")


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", "Basic bmtfMV94OnA=", "Bearer nk_1_x", "Bearer nk_1_" + "A" * 43, "Bearer a b",
     "Bearer nk_999999999999999999_" + "A" * 43, "bearer\tnk_1_" + "A" * 43, "Bearer nk_-1_" + "A" * 43],
)  # fmt: skip
def test_a_key_that_is_none(app: Flask, api: Api, given: str) -> None:
    answer = Api(app, None)("GET", "/users", Authorization=given)
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_the_scheme_is_known_in_any_case(app: Flask, api: Api) -> None:
    assert Api(app, None)("GET", "/users", Authorization=f"bEARER {api.key}").status_code == 200


def test_a_crash_tells_only_where_it_is_in_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("hush-hush ada@example.com")

    monkeypatch.setattr(users.people, "find", crash)
    dispatch(api.app).config["PROPAGATE_EXCEPTIONS"] = False
    with caplog.at_level(logging.ERROR):
        answer = api("PUT", "/users/u1", {})
    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert b"hush" not in answer.data
    assert answer.get_json()["request_id"] in caplog.text


def dispatch(app: Flask) -> Flask:
    """The application of the API, built as its first request builds it."""
    built = ready(app).extensions[KEY].ready()
    assert isinstance(built, Flask)
    return built


def test_a_database_that_is_away(api: Api, spec: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Exception):
        sqlite_errorcode = 14

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Away(), connection_invalidated=True)

    monkeypatch.setattr(db.session.session_factory.class_, "connection", refuse)
    for method, path, operation in operations(spec):
        answer = api(method, filled(path), {} if "requestBody" in operation else None)
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_a_rate_that_is_exceeded(make_app: Callable[..., Flask]) -> None:
    app = make_app(ratelimit_enabled=True, api_requests_per_minute=2)
    api, other = (Api(app, make_key(app, "users:read")) for _ in range(2))
    left = [api("GET", "/users").headers["RateLimit"].split(";")[1] for _ in range(2)]
    assert left == ["r=1", "r=0"]
    answer = api("GET", "/users/u1")
    assert (answer.status_code, code_of(answer)) == (429, "rate-limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Policy"] == '"key";q=2;w=60'
    assert other("GET", "/users").status_code == 200


def test_a_request_has_an_id(api: Api) -> None:
    assert api("GET", "/users", X_Request_Id="order-17.a").headers["X-Request-Id"] == "order-17.a"
    for given in ("", "a b", "x" * 65, "nk_1_abc", "é"):
        assert api("GET", "/users", X_Request_Id=given).headers["X-Request-Id"] not in (given, "")


@pytest.mark.parametrize("cursor", ["x", "MTox", "1:5", "Mjo1", "MTotNQ", "%00", "é", "a" * 101])
def test_a_cursor_that_is_none(api: Api, cursor: str) -> None:
    answer = api("GET", f"/users?cursor={cursor}")
    if cursor == "MTox":  # this one is one
        assert answer.status_code == 200
    else:
        assert set(mistakes_of(answer)) == {"cursor"}


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "most=5", "limit=1e2", "limit="])
def test_a_query_with_a_mistake(api: Api, query: str) -> None:
    assert set(mistakes_of(api("GET", f"/users?{query}"))) == {query.partition("=")[0]}


@pytest.mark.parametrize(("mistakes", "named"), [(20, 20), (21, 20), (1000, 20), (1001, 0), (20_000, 0)])
def test_the_answer_to_a_body_full_of_mistakes_is_short(api: Api, mistakes: int, named: int) -> None:
    wrong = {f"k{number}": 0 for number in range(mistakes)}
    single = api("PUT", "/users/u1", wrong)
    item = api("POST", "/activities/batch", {"activities": [{"to": "u1", "kind": "like", "id": "1"} | wrong]})
    data = api.send("a", to="u1", kind="security_message", data={"subject": "s"} | wrong)
    for problem in (single.get_json(), item.get_json()["errors"][0]["problem"]):
        assert problem["code"] == "invalid"
        assert len(problem.get("errors", [])) == named
        assert (f"{mistakes:,} mistakes" in (problem.get("detail") or "")) == (mistakes > 20)
    assert len(data.get_json()["errors"]) == 20
    assert max(len(each.data) for each in (single, item, data)) < 5000


def test_a_view_that_does_not_say_what_it_needs_is_not_served(app: Flask) -> None:
    for view in dispatch(app).view_functions.values():
        assert hasattr(view, NEEDS)
