"""The API inside another application: below its mount, on its engine, and about the same people."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from notifier.models import Notification, Suppression
from tests.api.conftest import make_key
from tests.embedding.conftest import Host, make_host

__all__ = ["make_host"]


@pytest.fixture
def mounted(make_host: Callable[..., Host]) -> Host:
    made = make_host()
    made.app.testing = True
    made.start(mount="/mail")
    return made


def asking(host: Host, *scopes: str) -> Callable[..., Any]:
    key = make_key(host.notifier.app, *scopes)
    client: FlaskClient = host.app.test_client()

    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): each for name, each in headers.items()}}
        more = {} if body is None else {"json": body}
        return client.open(f"/mail/v1{path}", method=method, headers=given, base_url=ORIGIN, **more)

    return ask


ORIGIN = "http://localhost"


def test_a_person_of_the_host_is_the_same_row(mounted: Host) -> None:
    ask = asking(mounted, "users:read", "users:write")
    with mounted.app.app_context():
        key = str(mounted.add("ada@example.com").id)
    assert ask("GET", f"/users/{key}").get_json()["email"] == "ada@example.com"
    before = mounted.mirrored()[key].id
    assert ask("PUT", f"/users/{key}", {"email": "new@example.com"}).status_code == 200
    assert (mounted.mirrored()[key].id, mounted.mirrored()[key].email) == (before, "new@example.com")


def test_a_key_of_send_and_an_idempotency_key_are_one(mounted: Host) -> None:
    ask = asking(mounted, "notifications:write")
    with mounted.app.app_context():
        user = mounted.add("ada@example.com")
        embedded = mounted.notifier.send("verification", to=user, key="welcome:1")
        mounted.db.session.commit()
        pk, to = str(embedded.id), str(user.id)
    asked = ask("POST", "/notifications", {"to": to, "kind": "verification"}, Idempotency_Key="welcome:1")
    assert (asked.status_code, asked.get_json()["id"]) == (201, pk)
    other = ask("POST", "/notifications", {"to": to, "kind": "account_exists"}, Idempotency_Key="welcome:1")
    assert other.get_json()["code"] == "key-reused"
    assert len(mounted.stored(select(Notification))) == 1


def test_suppressions_are_imported_there_and_people_are_not(mounted: Host) -> None:
    key, client = make_key(mounted.notifier.app, "users:write", "suppressions:write"), mounted.app.test_client()

    def load(kind: str) -> Any:
        data, headers = b"external_id,email\n7,ada@example.com\n", {"Authorization": f"Bearer {key}"}
        path = f"/mail/v1/imports?kind={kind}"
        return client.post(path, data=data, content_type="text/csv", headers=headers, base_url=ORIGIN).get_json()

    assert [each["code"] for each in load("people")["errors"]] == ["embedded"]
    assert load("suppressions")["numbers"]["suppressed"] == 1
    assert [row.identity_key for row in mounted.stored(select(Suppression))] == ["ada@example.com"]
    assert mounted.mirrored() == {}


def test_problems_lead_below_the_mount(mounted: Host) -> None:
    problem = asking(mounted, "users:read")("GET", "/users/none").get_json()
    assert problem["type"].endswith("/mail/v1/problems/not-found")
    answer = mounted.app.test_client().get("/mail/v1/problems/not-found", base_url=ORIGIN)
    assert answer.status_code == 200
    assert b'href="/mail/static/web.css"' in answer.data
    assert "Strict-Transport-Security" not in answer.headers


def test_the_hosts_own_v1_stays_the_hosts(mounted: Host) -> None:
    answer = mounted.app.test_client().get("/v1/users", base_url=ORIGIN)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
