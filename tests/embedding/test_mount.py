"""Our pages below a path of a host: where their links, redirects, cookies and files lead, and what stays the host's."""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from notifier import clock, ledger
from notifier.database.expressions import number_of
from notifier.embedding import Notifier
from notifier.extensions import db
from notifier.models import Notification, Role, Suppression
from notifier.models import User as Mirrored
from notifier.operators import roster
from notifier.security import clients
from notifier.services import services_of
from notifier.testing.forms import csrf_token
from notifier.testing.operators import PASSWORD
from tests.embedding.conftest import Host, deliver, links_of

Make = Callable[..., Host]

LINK = re.compile(r'(?:href|src|action|data-poll|data-live)="((?:/|https?:)[^"]*)"')
HOME = "http://127.0.0.1:5000/"
PRODUCTION = {
    "NOTIFIER_ENV": "production",
    "NOTIFIER_SECRET_KEYS": "Zk3vQ8mW1xT6rB9nL4pY7sD2fG5hJ0cA", "NOTIFIER_PUBLIC_URL": "https://shop.example/mail",
    "NOTIFIER_REDIS_URL": "redis://127.0.0.1:1/0", "NOTIFIER_MAIL_SERVER": "127.0.0.1",
    "NOTIFIER_MAIL_DEFAULT_SENDER": "Acme <a@acme-news.com>", "NOTIFIER_POSTAL_ADDRESS": "Acme, Leeds",
    "NOTIFIER_MAIL_SUPPRESS_SEND": True,
}  # fmt: skip


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> str:
    """Paths and headers do not depend on the database."""
    path = tmp_path / "mounted.db"
    shutil.copy(migrated_sqlite, path)
    return f"{request.param}:///{path}"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 as it is takes 50 ms each time."""
    monkeypatch.setattr(roster, "_hasher", roster.PasswordHasher(1, 8, 1))
    roster._no_password.cache_clear()


def mounted(make_host: Make, mount: str = "/mail", **config: Any) -> Host:
    host = make_host()
    host.app.testing = True
    host.app.config.update(config)
    host.app.add_url_rule("/", "index", lambda: "the host")
    host.start(mount=mount)
    return host


def make_operator(host: Host) -> None:
    with host.notifier.app.app_context():
        roster.create(db.session(), email="admin@example.com", password=PASSWORD, role=Role.admin)
        db.session.commit()


def tell(host: Host) -> None:
    """Add a page of ours that tells what it knows of its request."""

    def told() -> dict[str, str]:
        return {"client": clients.client(), "scheme": request.scheme, "host": request.host, "at": request.script_root}

    host.notifier.app.add_url_rule("/told", "told", told)


def sign_in(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    token = csrf_token(client.get(path).text)
    return client.post(path, data={"csrf_token": token, "email": "admin@example.com", "password": PASSWORD, **fields})


def test_the_host_has_a_sign_up_of_its_own(make_host: Make) -> None:
    client = mounted(make_host).app.test_client()
    for path in ("/mail/signup", "/mail/check-inbox", "/mail/resend"):
        assert client.get(path).status_code == 404, path
    token = csrf_token(client.get("/mail/admin/sign-in").text)
    for path in ("/mail/signup", "/mail/resend"):
        assert client.post(path, data={"csrf_token": token, "email": "a@example.com"}).status_code == 404, path


def test_the_front_page_is_that_of_the_host(make_host: Make) -> None:
    client = mounted(make_host).app.test_client()
    for path, status, leads_to in (("/mail", 308, "/mail/"), ("/mail/", 302, "/")):
        answer = client.get(path, base_url=HOME)
        assert (answer.status_code, answer.location) == (status, leads_to)
    assert client.get("/mail", base_url=HOME, follow_redirects=True).text == "the host"


def test_a_front_page_elsewhere_is_a_setting(make_host: Make) -> None:
    host = mounted(make_host, NOTIFIER_HOME_URL="https://www.shop.example/")
    client = host.app.test_client()
    assert client.get("/mail/").location == "https://www.shop.example/"
    assert 'class="brand" href="https://www.shop.example/"' in client.get("/mail/verify/x").text


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({}, "Notifier"),
        ({"MAIL_DEFAULT_SENDER": ("Acme & Sons", "shop@acme-news.com")}, "Acme &amp; Sons"),
        ({"NOTIFIER_PRODUCT_NAME": "Shop", "MAIL_DEFAULT_SENDER": ("Acme", "shop@acme-news.com")}, "Shop"),
        ({"MAIL_DEFAULT_SENDER": "shop@acme-news.com"}, "Notifier"),
    ],
)
def test_pages_and_emails_name_the_hosts_product(make_host: Make, config: dict[str, Any], name: str) -> None:
    host = mounted(make_host, **config)
    assert f'<span class="wordmark">{name}</span>' in host.app.test_client().get("/mail/verify/x").text
    with host.app.app_context():
        key = host.notifier.send("verification", to=host.add()).id
        host.db.session.commit()
    [message] = deliver(host, key).to("ada@example.com")
    assert f"Thank you for signing up for {name}." in message.html


def test_every_link_of_our_pages_leads_below_the_mount_or_to_the_front_page(make_host: Make) -> None:
    host = mounted(make_host)
    client = host.app.test_client()
    links = links_of(host)
    pages = [
        "/mail/nothing-here", "/mail/verify/x", "/mail/not-me/x", "/mail/u/x", "/mail/admin/sign-in", links["verify"],
        links["not_me"], links["unsubscribe"], links["preferences"],
    ]  # fmt: skip
    for path in pages:
        page = client.get(path).text
        found = LINK.findall(page)
        assert found, path
        assert [link for link in found if link != HOME and not link.startswith("/mail/")] == [], path
        assert "sign-up" not in page, path
        for link in found:
            if "/static/" in link:
                with client.get(link) as file:
                    assert file.status_code == 200, link


def test_a_link_that_does_not_work_offers_no_form(make_host: Make) -> None:
    page = mounted(make_host).app.test_client().get("/mail/verify/x")
    assert page.status_code == 404
    assert "<form" not in page.text
    assert "Ask for a new one where you signed up" in page.text


@pytest.mark.parametrize("kind", ["verification", "verification_reminder", "account_exists"])
def test_no_email_speaks_of_a_sign_up_of_ours(make_host: Make, kind: str) -> None:
    host = mounted(make_host, NOTIFIER_HOME_URL="https://www.shop.example")
    with host.app.app_context():
        host.add()
    with host.notifier.app.app_context():
        user = db.session.scalars(db.select(Mirrored)).one()
        params = {"send_at": number_of(clock.now())}
        row = ledger.add(
            db.session(), kind=kind, user=user, dedupe_key="x", now=clock.now(), grace=timedelta(0), params=params
        )
        db.session.commit()
        key = row.id
    [message] = deliver(host, key).to("ada@example.com")
    for text in (message.text, message.html):
        assert "https://www.shop.example" in text
        assert re.findall("delete the account|open it anyway|our sign-up page|activated", text) == []
    assert ("where you signed up" in " ".join(message.text.split())) is (kind != "account_exists")


def test_this_was_not_me_stops_emails_and_is_taken_back(make_host: Make) -> None:
    host = mounted(make_host)
    path = links_of(host)["not_me"]
    client = host.app.test_client()
    page = client.get(path)
    stopped = client.post(path, data={"csrf_token": csrf_token(page.text)})
    assert stopped.status_code == 200
    assert "deleted" not in stopped.text
    assert [row.reason for row in host.stored(select(Suppression))] == ["not_me"]
    with host.app.app_context():
        user = host.db.session.scalars(select(host.User)).one()
        user.name = "Another name"
        key = host.notifier.send("verification", to=user).id
        host.db.session.commit()
    assert deliver(host, key).sent == []
    assert [row.status for row in host.stored(select(Notification))] == ["suppressed"]
    undone = client.post(f"{path}/undo", data={"csrf_token": csrf_token(stopped.text)})
    assert undone.status_code == 200
    assert f'class="button" href="{HOME}"' in undone.text
    assert host.stored(select(Suppression)) == []


def test_404_is_ours_below_the_mount_and_the_hosts_elsewhere(make_host: Make) -> None:
    client = mounted(make_host).app.test_client()
    ours, theirs = client.get("/mail/nothing"), client.get("/nothing")
    assert (ours.status_code, theirs.status_code) == (404, 404)
    assert ours.headers["Content-Security-Policy"]
    assert "Content-Security-Policy" not in theirs.headers
    assert client.get("/mailing").headers.get("Content-Security-Policy") is None
    assert client.get("/mail/mail/healthz").status_code == 404


def test_the_pages_of_the_host_get_no_header_and_no_cookie_of_ours(make_host: Make) -> None:
    host = mounted(make_host)
    client = host.app.test_client()
    client.get("/mail/admin/sign-in")
    theirs = client.get("/")
    assert sorted(theirs.headers.keys()) == ["Content-Length", "Content-Type"]


def test_the_cookie_carries_the_mount(make_host: Make) -> None:
    answer = mounted(make_host).app.test_client().get("/mail/admin/sign-in")
    [cookie] = answer.headers.getlist("Set-Cookie")
    assert re.fullmatch(r"notifier_mail=[^;]+; HttpOnly; Path=/mail; SameSite=Lax", cookie)


def test_production_has_secure_cookies_and_binds_not_the_whole_host(make_host: Make) -> None:
    host = mounted(make_host, **PRODUCTION)
    answer = host.app.test_client().get("/mail/admin/sign-in", base_url="https://shop.example")
    [cookie] = answer.headers.getlist("Set-Cookie")
    assert re.fullmatch(r"__Secure-notifier_mail=[^;]+; Secure; HttpOnly; Path=/mail; SameSite=Lax", cookie)
    assert answer.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in answer.headers


def test_head_and_options_change_nothing(make_host: Make) -> None:
    host = mounted(make_host)
    client = host.app.test_client()
    path = links_of(host)["verify"]
    assert (client.head(path).status_code, client.head(path).text) == (200, "")
    assert client.options(path).allow.as_set() == {"get", "head", "options", "post"}
    assert next(iter(host.mirrored().values())).verified_at is None


def test_one_click_unsubscribes_without_cookies(make_host: Make) -> None:
    host = mounted(make_host)
    path = links_of(host)["unsubscribe"]
    provider = host.app.test_client(use_cookies=False)
    answer = provider.post(path, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "no longer send" in answer.text


@pytest.mark.parametrize(
    "target", ["/admin/", "/admin/people/", "/mailbox/", "//evil.example/mail/", "/mail/../admin/"]
)
def test_signing_in_never_leads_out_of_the_mount(make_host: Make, target: str) -> None:
    host = mounted(make_host)
    make_operator(host)
    answer = sign_in(host.app.test_client(), "/mail/admin/sign-in", next=target)
    assert (answer.status_code, answer.location) == (303, "/mail/admin/")


def test_signing_in_leads_to_the_page_that_was_asked_for(make_host: Make) -> None:
    host = mounted(make_host)
    make_operator(host)
    client = host.app.test_client()
    asked = client.get("/mail/admin/people/?email=x")
    assert asked.location == "/mail/admin/sign-in?next=/mail/admin/people/?email%3Dx"
    answer = sign_in(client, asked.location, next="/mail/admin/people/?email=x")
    assert answer.location == "/mail/admin/people/?email=x"
    assert {re.findall(r"Path=([^;]*)", cookie)[0] for cookie in answer.headers.getlist("Set-Cookie")} == {"/mail"}
    assert client.get("/mail/admin").location == "/mail/admin/"
    page = client.get("/mail/admin/")
    assert page.status_code == 200
    assert [link for link in LINK.findall(page.text) if not link.startswith("/mail/")] == []


def test_our_pages_see_the_client_and_the_host_name_that_the_hosts_proxyfix_finds(make_host: Make) -> None:
    host = mounted(make_host, NOTIFIER_TRUSTED_HOSTS="shop.example")
    tell(host)
    host.app.wsgi_app = ProxyFix(host.app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    headers = {
        "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/evil",
    }  # fmt: skip
    told = host.app.test_client().get("/mail/told", headers=headers).json
    assert told == {"client": "203.0.113.7/32", "scheme": "https", "host": "shop.example", "at": "/mail"}


def test_proxies_are_for_the_host_to_trust(make_host: Make) -> None:
    host = mounted(make_host, NOTIFIER_TRUSTED_PROXIES=3)
    tell(host)
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    told = host.app.test_client().get("/mail/told", headers=headers).json
    assert told == {"client": "127.0.0.1/32", "scheme": "http", "host": "localhost", "at": "/mail"}


def test_a_second_host_name_is_answered_if_it_is_named(make_host: Make) -> None:
    host = mounted(make_host, NOTIFIER_TRUSTED_HOSTS=".shop.example", NOTIFIER_PUBLIC_URL="https://shop.example/mail")
    client = host.app.test_client()
    for name, status in (("shop.example", 200), ("www.shop.example", 200), ("evil.example", 400)):
        assert client.get("/mail/admin/sign-in", base_url=f"https://{name}").status_code == status
    assert client.get("/", base_url="https://evil.example").text == "the host"
    assert links_of(host)["home"] == "https://shop.example/"
    assert services_of(host.notifier.app).links.base == "https://shop.example/mail"


def test_a_host_below_a_path_of_its_own(make_host: Make) -> None:
    host = mounted(make_host, NOTIFIER_PUBLIC_URL="https://shop.example/app/mail")
    make_operator(host)
    client = host.app.test_client()
    below: Any = {"base_url": "https://shop.example/app", "environ_overrides": {"SCRIPT_NAME": "/app"}}
    page = client.get("/mail/admin/sign-in", **below)
    assert page.status_code == 200
    assert [link for link in LINK.findall(page.text) if not link.startswith("/app/mail/")] == []
    assert "Path=/app/mail" in page.headers["Set-Cookie"]
    assert client.get("/mail/", **below).location == "/app/"
    asked = client.get("/mail/admin/people/", **below)
    assert asked.location == "/app/mail/admin/sign-in?next=/app/mail/admin/people/"
    for target, led in (("/app/admin/", "/app/mail/admin/"), ("/app/mail/admin/people/", "/app/mail/admin/people/")):
        visitor = host.app.test_client()
        token = csrf_token(visitor.get("/mail/admin/sign-in", **below).text)
        fields = {"csrf_token": token, "email": "admin@example.com", "password": PASSWORD, "next": target}
        assert visitor.post("/mail/admin/sign-in", data=fields, **below).location == led


class Pair:
    """Two hosts, or one with two notifiers, with other settings each."""

    def __init__(self, make_host: Make, *, one: bool) -> None:
        first = make_host()
        self.first = first.app
        first.app.config.update(NOTIFIER_PUBLIC_URL="https://a.example/mail", NOTIFIER_RATELIMIT_ENABLED=True)
        first.app.testing = True
        first.start(mount="/mail")
        self.one = first.notifier.app
        settings = {"NOTIFIER_PUBLIC_URL": "https://b.example/post", "NOTIFIER_RATELIMIT_ENABLED": False}
        if one:
            second = Notifier()
            second.user(first.User, watch=("email",))(first.fields)
            first.app.config.update(settings)
            second.init_app(first.app, session=first.db.session, mount="/post")
            self.second, self.two = first.app, second.app
        else:
            other = make_host()
            other.app.config.update(settings)
            other.app.testing = True
            other.start(mount="/post")
            self.second, self.two = other.app, other.notifier.app

    def tries(self, app: Flask, base: str, path: str) -> set[int]:
        """The statuses of 70 posts of one client, in a minute."""
        client = app.test_client()
        client.get(f"{path}/admin/sign-in", base_url=base)
        token = csrf_token(client.get(f"{path}/admin/sign-in", base_url=base).text)
        fields = {"csrf_token": token}
        return {client.post(f"{path}/u/x/undo", base_url=base, data=fields).status_code for _ in range(70)}


@pytest.mark.parametrize("one", [True, False], ids=["in one host", "in two hosts"])
def test_two_notifiers_have_their_own_paths_settings_and_limits(make_host: Make, one: bool) -> None:
    pair = Pair(make_host, one=one)
    assert pair.one is not pair.two
    assert pair.tries(pair.first, "https://a.example", "/mail") == {404, 429}
    assert pair.tries(pair.second, "https://b.example", "/post") == {404}
    assert pair.tries(pair.first, "https://a.example", "/mail") == {429}
    for app, base, path, name in (
        (pair.first, "https://a.example", "/mail", "notifier_mail"),
        (pair.second, "https://b.example", "/post", "notifier_post"),
    ):
        answer = app.test_client().get(f"{path}/admin/sign-in", base_url=base)
        assert answer.headers["Set-Cookie"].startswith(f"{name}=")
        assert [link for link in LINK.findall(answer.text) if not link.startswith(f"{path}/")] == []
    assert pair.first.test_client().get("/mail/healthz", base_url="https://a.example").status_code == 200
    assert pair.first.test_client().get("/mail/admin/sign-in", base_url="https://b.example").status_code == 400
