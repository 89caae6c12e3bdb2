"""Headers of every answer, hosts that are not ours, health, errors."""

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from notifier.extensions import db
from notifier.security.tokens import Signer
from notifier.services import services_of
from notifier.testing.browse import Visitor

_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_LINK = re.compile(r"https?://[^\s<>\"']+")

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def visitor(sqlite_app: Flask) -> Visitor:
    return Visitor(sqlite_app)


@pytest.mark.parametrize(
    "path", ["/", "/signup", "/check-inbox", "/verify/x", "/nowhere", "/static/web.css", "/healthz"]
)
def test_every_answer_is_guarded(visitor: Visitor, path: str) -> None:
    with visitor.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = visitor.get("/signup").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("published", ["https://notifier.example.com", "https://notifier.example.com/mail"])
@pytest.mark.parametrize("case", json.loads((DATA / "host_header.json").read_text()), ids=lambda case: case["id"])
def test_a_forged_host_leads_nowhere(
    make_app: Callable[..., Flask], enqueued: list[int], case: dict[str, Any], published: str
) -> None:
    """Neither on a page, nor in a redirect, nor in the email that the request made. Also behind a path."""
    app = make_app(publish=lambda keys, bulk: enqueued.extend(keys), public_url=published)
    # As a server hands it over: the client of the tests would refuse some of them.
    name, value = case["header"]
    forged = {f"HTTP_{name.upper().replace('-', '_')}": value}
    client, base, path = (
        app.test_client(),
        "https://notifier.example.com",
        published.removeprefix("https://notifier.example.com"),
    )
    token = _FIELD.search(client.get(f"{path}/signup", base_url=base).text)
    assert token
    fields = {"csrf_token": token[1], "email": "ada@example.org", "display_name": "Ada"}
    answers = [
        client.get(f"{path}/", base_url=base, environ_overrides=forged),
        client.get(f"{path}/signup", base_url=base, environ_overrides=forged),
        client.get(f"{path}/admin/", base_url=base, environ_overrides=forged),
        client.post(f"{path}/signup", base_url=base, environ_overrides=forged, data=fields),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert answer.status_code == 400 or "evil.example" not in answer.text + str(answer.headers)
        assert answer.status_code == 400 or "1337" not in answer.text + str(answer.headers)
    assert len(enqueued) == (1 if answers[-1].status_code == 303 else 0)
    with app.app_context():
        for pk in enqueued:
            mail = services_of(app).previews.of(db.session(), pk)
            links = _LINK.findall(f"{mail.text} {mail.html}")
            assert len(links) >= 2
            assert [link for link in links if not f"{link}/".startswith(f"{published}/")] == []


#: By name: a traceback shows lines of this file.
CANARY = "ada@canary.example"


@pytest.mark.parametrize("path", ["/verify/tok3n-of-ada", "/u/tok3n-of-ada", "/preferences/tok3n-of-ada"])
def test_no_token_and_no_parameter_stands_in_the_log_of_a_crash(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app = make_app()
    app.config |= {"TESTING": False, "PROPAGATE_EXCEPTIONS": False}

    def crash(*_: object, **__: object) -> None:
        db.session.execute(text("SELECT :email FROM nowhere"), {"email": CANARY})

    for name in ("read_verification", "read_unsubscribe", "read_preferences"):
        monkeypatch.setattr(Signer, name, crash)
    answer = Visitor(app).get(path)
    assert answer.status_code == 500
    assert "request.crashed" in caplog.text
    assert "tok3n" not in caplog.text
    assert CANARY not in caplog.text


def test_health_is_200_while_the_database_answers(visitor: Visitor) -> None:
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok", "schema": "ok"})


def test_health_is_503_while_the_database_does_not(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, ConnectionRefusedError())

    monkeypatch.setattr(db.session, "connection", away)
    answer = visitor.get("/healthz")
    assert answer.status_code == 503
    assert answer.json == {
        "status": "unavailable", "database": "unavailable", "schema": "unknown",
        "detail": "the database does not answer",
    }  # fmt: skip


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "pod-7.internal", "[fd00::1]", "a b", "", None])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_answers_whatever_host_it_is_asked_by(visitor: Visitor, method: str, host: str | None) -> None:
    """Load balancers send the address of the process; HTTP/1.0 sends none."""
    environ = {"HTTP_HOST": host} if host is not None else {"SERVER_NAME": "0.0.0.0"}
    answer = visitor.client.open("/healthz", method=method, environ_overrides=environ)
    assert answer.status_code == 200
    assert b"pod-7" not in answer.data + str(answer.headers).encode()


@pytest.mark.parametrize("path", ["/", "/signup", "/healthz/", "/healthz/../signup", "/admin/health/"])
def test_nothing_else_answers_any_host(visitor: Visitor, path: str) -> None:
    assert visitor.client.get(path, environ_overrides={"HTTP_HOST": "10.1.2.3"}).status_code == 400


def test_a_fault_of_ours_shows_nothing_of_the_inside(
    visitor: Visitor, sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services_of(sqlite_app).account_requests, "add", broken)
    answer = visitor.sign_up("ada@example.com")
    assert answer.status_code == 500
    assert b"secret detail" not in answer.data
    assert b"<h1>" in answer.data


@pytest.mark.parametrize("name", ["email", "display_name"])
def test_a_file_in_the_place_of_a_text_is_refused(visitor: Visitor, name: str) -> None:
    fields = {"csrf_token": visitor.token("/signup"), "email": "ada@example.com", name: (BytesIO(b"x"), "x.txt")}
    assert visitor.post("/signup", fields, content_type="multipart/form-data").status_code == 400


def test_bytes_that_are_no_text_are_refused(visitor: Visitor) -> None:
    token = visitor.token("/signup").encode()
    answer = visitor.post(
        "/signup",
        b"csrf_token=" + token + b"&email=user%ED%A0%80@example.com",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "notifier.test:1337"},
        {"wsgi.url_scheme": "http"},
        {"wsgi.url_scheme": "javascript"},
        {"HTTP_HOST": "127.0.0.1"},
    ],
)
def test_a_redirect_to_ourselves_is_a_path(app: Flask, environ: dict[str, str]) -> None:
    """Werkzeug would build it from what the request claims about the host and the scheme."""
    for path, target in (("/admin", "/admin/"), ("/admin//people/?id=1", "/admin/people/?id=1")):
        answer = app.test_client().get(path, environ_overrides=environ)
        assert answer.status_code == 308
        assert answer.headers["Location"] == target
