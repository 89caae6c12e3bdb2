"""What production adds: cookies, HSTS, hosts, proxies, a broker that must be named."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from notifier.app import create_app
from notifier.extensions import db
from notifier.observability import logs
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.web import form_limits
from tests.support.applications import HANDLE_REQUESTS, make_settings

# A window of a limit that ends in the middle of a test would let more in.
pytestmark = pytest.mark.usefixtures("frozen")

BASE = {
    "notifier_env": "production",
    "public_url": "https://app.example.com",
    "database_url": "",
    "redis_url": "redis://127.0.0.1:1/0",
    "mail_server": "127.0.0.1",
    "mail_default_sender": "Acme <hello@acme-news.com>",
    "postal_address": "Acme Ltd, 2 High Street, Leeds",
    "ratelimit_enabled": True,
}


@pytest.fixture
def production(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    monkeypatch.setattr(logs, "configure", lambda: None)  # it is for the whole process, other tests included
    apps: list[Flask] = []

    def make(**values: object) -> Flask:
        path = tmp_path / "notifier.db"
        path.write_bytes(migrated_sqlite.read_bytes())
        settings = make_settings(**BASE | {"database_url": f"sqlite:///{path}"} | values)
        apps.append(create_app(settings, publish=lambda keys, bulk: None, publish_requests=HANDLE_REQUESTS))
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_the_cookie_is_bound_to_https_and_to_this_host(production: Callable[..., Flask]) -> None:
    answer = production().test_client().get("/signup", base_url="https://app.example.com")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-notifier=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_browsers_are_told_to_stay_on_https(production: Callable[..., Flask]) -> None:
    answer = production().test_client().get("/", base_url="https://app.example.com")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_a_host_that_is_not_ours_is_refused(production: Callable[..., Flask]) -> None:
    assert production().test_client().get("/", base_url="https://evil.example").status_code == 400


@pytest.mark.parametrize(("proxies", "limited"), [(0, True), (1, False)])
def test_clients_behind_a_proxy_are_told_apart_only_if_it_is_trusted(
    production: Callable[..., Flask], proxies: int, limited: bool
) -> None:
    client = production(trusted_proxies=proxies).test_client()
    https = {"base_url": "https://app.example.com"}
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/signup", **https).text)
    assert token
    codes = {
        client.post(
            "/signup",
            data={"csrf_token": token.group(1)},
            headers={"X-Forwarded-For": f"203.0.{number}.1"},
            **https,
        ).status_code
        for number in range(62)
    }
    assert (429 in codes) is limited


FOUND = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())
NO_ADDRESS = [
    "",
    "_hidden",
    "203.0.113.9.9",
    "[",
    "[]:1",
    "for=1.2.3.4",
    "::::",
    "1" * 5000,
    "203.0.113.9:port",
    "\u00fc",
]


FORMS = ["/signup", "/resend", "/admin/sign-in", "/admin/sign-in/code", "/verify/x", "/u/x", "/preferences/x"]


@pytest.mark.parametrize("said", [*(case["input"] for case in FOUND["forwarded_for"]["cases"]), *NO_ADDRESS])
def test_no_forwarded_for_is_a_fault(production: Callable[..., Flask], said: str) -> None:
    client = production(trusted_proxies=1).test_client()
    https = {"base_url": "https://app.example.com"}
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/signup", **https).text)
    assert token
    form = {"csrf_token": token.group(1), "email": "ada@example.com", "password": "wrong", "code": "000000"}
    headers = {"X-Forwarded-For": said}
    codes = {path: client.post(path, data=form, headers=headers, **https).status_code for path in FORMS}
    assert {path for path, code in codes.items() if code >= 500} == set()


@pytest.mark.parametrize(
    ("said", "limited"),
    [
        # Another port, or brackets, is the same client; a word shares one bucket with every other word.
        (lambda number: f"203.0.113.9:{1000 + number}", True),
        (lambda number: f"[2001:db8::1]:{1000 + number}", True),
        (lambda number: f"2001:db8:0:1::{number:x}", True),
        (lambda number: f"hidden{number}", True),
        (lambda number: f"203.0.{number}.9:51234", False),
        (lambda number: f"2001:db8:{number:x}::1", False),
    ],
)
def test_clients_are_told_apart_by_their_address_alone(
    production: Callable[..., Flask], said: Callable[[int], str], limited: bool
) -> None:
    client = production(trusted_proxies=1).test_client()
    https = {"base_url": "https://app.example.com"}
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/signup", **https).text)
    assert token
    form = {"csrf_token": token.group(1)}
    codes = {
        client.post("/signup", data=form, headers={"X-Forwarded-For": said(number)}, **https).status_code
        for number in range(62)
    }
    assert (429 in codes) is limited


def codes_of(app: Flask, path: str, requests: list[tuple[str, str]]) -> list[int]:
    """The answers to (client, typed address), all with one session."""
    visitor = Visitor(app)
    token = visitor.token("/signup")
    codes = []
    for client, email in requests:
        visitor.environ["REMOTE_ADDR"] = client
        codes.append(visitor.post(path, {"csrf_token": token, "email": email}).status_code)
    return codes


def limited_app(production: Callable[..., Flask]) -> Flask:
    return production(notifier_env="test", public_url="http://notifier.test", redis_url="")


def test_one_network_is_limited_as_a_whole(production: Callable[..., Flask]) -> None:
    requests = [(f"203.0.113.{number % 250}", f"not an address {number}") for number in range(301)]
    assert codes_of(limited_app(production), "/resend", requests).index(429) == 300


def test_one_ipv6_site_is_one_network(production: Callable[..., Flask]) -> None:
    requests = [(f"2001:db8:1:{number:x}::1", f"not an address {number}") for number in range(301)]
    assert codes_of(limited_app(production), "/resend", requests).index(429) == 300


def test_invalid_forms_use_up_nothing_that_everyone_shares(
    production: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_limits, "IN_ALL", "20 per minute")
    app = limited_app(production)
    refused = [(f"203.0.{number}.1", f"not an address {number}") for number in range(21)]
    assert set(codes_of(app, "/resend", refused)) == {400}
    assert codes_of(app, "/resend", [("198.51.100.1", "ada@example.com")]) == [303]


def test_one_address_is_limited_whoever_asks(production: Callable[..., Flask]) -> None:
    requests = [(f"203.{number}.113.1", f"a.da+{number}@example.com") for number in range(11)]
    assert codes_of(limited_app(production), "/resend", requests).index(429) == 10


def test_a_process_without_a_broker_leaves_its_mail_to_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "configure", lambda: None)
    app = create_app(make_settings(notifier_env="development", database_url=f"sqlite:///{tmp_path / 'x.db'}"))
    assert not services_of(app).outbox.publish([1])
    assert services_of(app).outbox.left_to_sweep == 1
    findings = {finding.name: finding.ok for finding in services_of(app).probes()}
    assert findings["broker"] is False
