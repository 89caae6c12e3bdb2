"""The API with keys that may do exactly what a test says."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.operators import api_keys
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

#: Values for the variable parts of paths.
ARGUMENTS = {"external_id": "u1", "id": "1", "name": "news"}


def sendable(app: Flask) -> list[str]:
    return [name for name, kind in services_of(app).kinds.items() if not isinstance(kind, CampaignKind)]


def make_key(app: Flask, *scopes: str, **values: Any) -> str:
    """Store a key, and return its text."""
    with app.app_context():
        made = api_keys.create(db.session(), name="test", wanted=scopes, kinds=sendable(app), by=COMMAND_LINE, **values)
        db.session.commit()
        return made.text


class Api:
    """A client with one key."""

    def __init__(self, app: Flask, key: str | None) -> None:
        self.app = app
        self.key = key
        self.client: FlaskClient = app.test_client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Ask. `headers`: with underscores instead of hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            given.setdefault("Authorization", f"Bearer {self.key}")
        more: dict[str, Any] = {} if body is None else {"json": body}
        return self.client.open(f"/v1{path}", method=method, headers=given, **more)

    def send(self, key: str, **body: Any) -> TestResponse:
        return self("POST", "/notifications", body, Idempotency_Key=key)


def code_of(answer: TestResponse) -> str:
    """The code of a problem, whose form is checked on the way."""
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json()
    assert problem["status"] == answer.status_code
    assert problem["type"].endswith(f"/v1/problems/{problem['code']}")
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return str(problem["code"])


def mistakes_of(answer: TestResponse) -> dict[str, str]:
    """The code of each mistake, by its place."""
    assert code_of(answer) == "invalid"
    return {each.get("pointer") or each["parameter"]: each["code"] for each in answer.get_json()["errors"]}


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def operations(spec: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(method, path, description) of every operation of the document."""
    return [
        (method.upper(), path, each)
        for path, item in spec["paths"].items()
        for method, each in item.items()
        if method in ("get", "put", "post", "delete", "patch")
    ]


def filled(path: str) -> str:
    """The path with ARGUMENTS for its variable parts."""
    return path.format_map(ARGUMENTS)


@pytest.fixture
def client_with(app: Flask) -> Callable[..., Api]:
    """Return a client whose key has these scopes."""
    return lambda *scopes, **values: Api(app, make_key(app, *scopes, **values))


@pytest.fixture
def api(client_with: Callable[..., Api]) -> Api:
    """A client that may do what the application itself would."""
    return client_with("users:read", "users:write", "activities:write", "notifications:read", "notifications:write")


@pytest.fixture
def spec(app: Flask) -> Mapping[str, Any]:
    """The document, as it is served."""
    found: Mapping[str, Any] = Api(app, None)("GET", "/openapi.json").get_json()
    return found
