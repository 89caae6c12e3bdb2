"""A host with its own Flask-Login, CSRFProtect, Limiter, Migrate and Mail: each application keeps its own."""

import re
from collections.abc import Callable
from typing import Any

import flask_login
import pytest
from flask import Flask, abort, request, session
from flask.testing import FlaskClient
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_mail import Mail, Message
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from sqlalchemy import select

from notifier import migrations
from notifier.app import ready
from notifier.models import Consent
from notifier.page_extensions import csrf, limiter
from notifier.testing.forms import csrf_token
from notifier.web.security import HEADERS
from tests.embedding.conftest import Host, form_of
from tests.embedding.office import SUPPRESSIONS, Office, Person

#: What differs between databases is not here.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

#: A form of ours, filled in.
FIELDS = {"digest": "weekly"}


class Full:
    """The host and its extensions."""

    def __init__(self, host: Host) -> None:
        self.host, self.app = host, host.app
        self.csrf = CSRFProtect(self.app)
        self.limiter = Limiter(get_remote_address, app=self.app, storage_uri="memory://")
        self.mail = Mail()
        self.app.config |= {
            "RATELIMIT_ENABLED": True,
            "MAIL_DEFAULT_SENDER": ("The shop", "shop@shop.example"),
            "WTF_CSRF_HEADERS": ["X-Shop-Token"],
            "SESSION_COOKIE_NAME": "shop",
            "NOTIFIER_PUBLIC_URL": "https://localhost/mail",
            "MAX_CONTENT_LENGTH": 50_000_000,
        }
        self.office = Office(host)
        self.mail.init_app(self.app)
        self.migrate = Migrate(self.app, host.db, include_name=migrations.include_name)
        self.pages()
        self.error_pages()

    @property
    def ours(self) -> Flask:
        return self.host.notifier.app

    def pages(self) -> None:
        app = self.app
        self.csrf.exempt(app.view_functions["login"])
        self.csrf.exempt(app.view_functions["logout"])

        @app.get("/")
        def index() -> str:
            session["visits"] = session.get("visits", 0) + 1
            return f"{session['visits']} {generate_csrf()}"

        @app.post("/buy")
        def buy() -> str:
            return f"bought {request.form['what']}"

        @app.get("/limited")
        @self.limiter.limit("1 per minute")
        def limited() -> str:
            return "once"

        @app.get("/broken")
        def broken() -> str:
            raise LookupError("the host's own fault")

        @app.get("/closed")
        @flask_login.login_required
        def closed() -> str:
            return str(flask_login.current_user.id)

    def error_pages(self) -> None:
        app = self.app

        @app.get("/gone")
        def gone() -> str:
            abort(410)

        @app.errorhandler(404)
        def missing(_error: Exception) -> tuple[str, int]:
            return "the shop has no such page", 404

        @app.errorhandler(CSRFError)
        def forged(_error: CSRFError) -> tuple[str, int]:
            return "the shop says: forged", 400


@pytest.fixture
def full(make_host: Callable[..., Host]) -> Full:
    return Full(make_host())


@pytest.fixture
def client(full: Full) -> FlaskClient:
    return full.app.test_client()


def test_pages_of_the_host_have_no_header_of_ours(client: FlaskClient) -> None:
    for path in ("/", "/nowhere", "/gone", "/closed"):
        found = client.get(path).headers
        assert set(HEADERS) & set(found.keys()) == set(), path
        assert "Cache-Control" not in found or "no-store" not in found["Cache-Control"]
    ours = client.get("/mail/admin/").headers
    assert set(HEADERS) <= set(ours.keys())
    assert "Strict-Transport-Security" not in ours


def test_each_shows_its_own_error_pages(full: Full, client: FlaskClient) -> None:
    assert client.get("/nowhere").text == "the shop has no such page"
    assert "Gone" in client.get("/gone").text
    assert "the shop" not in client.get("/mail/nowhere").text
    assert client.get("/mail/nowhere").status_code == 404
    assert client.get("/closed").status_code == 401
    with pytest.raises(LookupError):
        client.get("/broken")
    full.app.config["PROPAGATE_EXCEPTIONS"] = False
    assert "Internal Server Error" in client.get("/broken").text


def test_each_refuses_the_token_of_the_other(full: Full, client: FlaskClient) -> None:
    theirs = client.get("/").text.split()[1]
    form = form_of(full.host)
    ours = csrf_token(client.get(form).text)
    assert client.post("/buy", data={"what": "tea", "csrf_token": theirs}).text == "bought tea"
    assert client.post("/buy", data={"what": "tea"}, headers={"X-Shop-Token": theirs}).text == "bought tea"
    assert client.post("/buy", data={"what": "tea", "csrf_token": ours}).text == "the shop says: forged"
    assert client.post(form, data=FIELDS | {"csrf_token": theirs}).status_code == 400
    assert client.post(form, data=FIELDS, headers={"X-Shop-Token": theirs}).status_code == 400
    assert full.host.stored(select(Consent)) == []
    assert client.post(form, data=FIELDS | {"csrf_token": ours}).location == form
    assert full.host.stored(select(Consent)) != []


def test_our_pages_leave_the_session_of_the_host_alone(full: Full, client: FlaskClient) -> None:
    assert client.get("/").text.startswith("1 ")
    before = client.get_cookie("shop")
    form = form_of(full.host)
    assert client.post(form, data=FIELDS | {"csrf_token": csrf_token(client.get(form).text)}).status_code == 303
    assert client.get_cookie("shop") == before
    assert client.get("/").text.startswith("2 ")
    # Our cookie never reaches the host.
    assert client.get_cookie("notifier_mail") is None
    assert client.get_cookie("notifier_mail", path="/mail") is not None


def test_each_counts_its_own_limits(full: Full, client: FlaskClient) -> None:
    assert [client.get("/limited").status_code for _ in range(2)] == [200, 429]
    assert client.get(form_of(full.host)).status_code == 200
    assert full.app.extensions["limiter"] == {full.limiter}
    assert full.ours.extensions["limiter"] == {limiter.of(full.ours)}


def test_each_has_its_own_sign_in(full: Full) -> None:
    editor = full.office.person("editor")
    assert editor.get("/closed").text == str(editor.key)
    assert editor.suppress("stop@example.com").status_code == 303
    assert editor.get("/closed").text == str(editor.key)
    editor.sign_out()
    assert editor.get("/closed").status_code == 401
    assert editor.get(SUPPRESSIONS).status_code == 401
    assert Person(full.host).get(SUPPRESSIONS).status_code == 401


def test_the_host_sends_its_own_emails_its_own_way(full: Full) -> None:
    with full.app.app_context(), full.mail.record_messages() as sent:
        full.mail.send(Message("An offer", recipients=["ada@example.com"], body="Tea"))
    assert [(mail.subject, mail.sender) for mail in sent] == [("An offer", "The shop <shop@shop.example>")]
    assert full.app.extensions["mail"] is not full.ours.extensions["mail"]


def test_each_keeps_its_own_extensions_and_settings(full: Full) -> None:
    theirs, ours = full.app.extensions, ready(full.ours).extensions
    for name in ("sqlalchemy", "csrf", "limiter", "mail", "notifier"):
        assert theirs[name] is not ours[name], name
    assert theirs["csrf"] is full.csrf
    assert ours["csrf"] is csrf
    assert theirs["migrate"].directory == "migrations"
    assert (full.app.config["MAX_CONTENT_LENGTH"], full.ours.config["MAX_CONTENT_LENGTH"]) == (50_000_000, 256 * 1024)
    assert full.app.config["SESSION_COOKIE_NAME"] == "shop"
    assert full.app.secret_key != full.ours.secret_key
    for name in ("admin", "sign_in", "web"):
        assert name not in full.app.blueprints
    assert {"admin_menu", "admin_operator"} & set(full.app.jinja_env.globals) == set()


def test_a_request_to_our_pages_runs_no_function_of_the_host(full: Full, client: FlaskClient) -> None:
    ran: list[Any] = []
    full.app.before_request_funcs.setdefault(None, []).append(lambda: ran.append(request.path))
    full.app.after_request_funcs.setdefault(None, []).append(lambda response: ran.append(response) or response)
    client.get(form_of(full.host))
    Person(full.host).get(SUPPRESSIONS)
    assert ran == []
    client.get("/")
    assert len(ran) == 2
    assert re.match(r"1 ", client.get("/").text) is None
