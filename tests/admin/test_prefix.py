"""Published below a path, or at an IPv6 address: links, redirects, cookies and static files follow PUBLIC_URL alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from notifier.testing.operators import PASSWORD

LINK = re.compile(r'(?:href|src|action|data-poll|data-live)="(/[^"]*)"')


class Behind:
    """A visitor behind a proxy that publishes the service at https://example.com/mail."""

    def __init__(self, app: Flask, *, strips: bool) -> None:
        # The cookies are those of a browser, which sees the whole path.
        if strips:
            app.wsgi_app = self._stripping(app.wsgi_app)  # type: ignore[method-assign, assignment]
        self.client: FlaskClient = app.test_client()
        self.headers: dict[str, str] = {}

    def open(self, url: str, method: str = "GET", **options: object) -> TestResponse:
        assert url.startswith("/mail/"), url
        return self.client.open(url, method=method, base_url="https://example.com", headers=self.headers, **options)

    @staticmethod
    def _stripping(app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/mail")
            return app(environ, start_response)

        return answer

    def post(self, url: str, page: str, **fields: str) -> TestResponse:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open(page).text)
        assert token
        return self.open(url, "POST", data={"csrf_token": token.group(1), **fields})


@pytest.fixture(params=[True, False], ids=["stripped", "whole"])
def behind(make_app: Callable[..., Flask], make_operator: Callable[..., int], request: pytest.FixtureRequest) -> Behind:
    make_operator()
    return Behind(make_app(public_url="https://example.com/mail"), strips=request.param)


@pytest.mark.parametrize(
    "page", ["/mail/", "/mail/signup", "/mail/check-inbox", "/mail/verify/x", "/mail/admin/sign-in"]
)
def test_every_link_of_a_page_stays_below_the_path(behind: Behind, page: str) -> None:
    found = LINK.findall(behind.open(page).text)
    assert found
    assert [link for link in found if not link.startswith("/mail/")] == []
    static = [link for link in found if "/static/" in link]
    for link in static:
        with behind.open(link) as answer:
            assert answer.status_code == 200, link


def test_sign_up_and_the_admin_stay_below_the_path(behind: Behind) -> None:
    answer = behind.post("/mail/signup", "/mail/signup", email="ada@example.org")
    assert answer.location == "/mail/check-inbox"
    asked = behind.open("/mail/admin/people/?email=x")
    assert asked.location == "/mail/admin/sign-in?next=/mail/admin/people/?email%3Dx"
    fields = {"email": "admin@example.com", "password": PASSWORD, "next": "/mail/admin/people/?email=x"}
    answer = behind.post("/mail/admin/sign-in", "/mail/admin/sign-in", **fields)
    assert answer.location == "/mail/admin/people/?email=x"
    cookies = answer.headers.getlist("Set-Cookie")
    assert [cookie for cookie in cookies if "Path=/mail;" not in f"{cookie};"] == []
    page = behind.open("/mail/admin/")
    assert page.status_code == 200
    assert [link for link in LINK.findall(page.text) if not link.startswith("/mail/")] == []


@pytest.mark.parametrize("target", ["/admin/people/", "/other-application/", "/mailbox/", "//evil.example/mail/"])
def test_no_redirect_leaves_the_path(behind: Behind, target: str) -> None:
    fields = {"email": "admin@example.com", "password": PASSWORD, "next": target}
    answer = behind.post("/mail/admin/sign-in", "/mail/admin/sign-in", **fields)
    assert answer.location == "/mail/admin/"


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Host", "X-Script-Name", "Script-Name"])
def test_no_header_moves_the_service(behind: Behind, name: str) -> None:
    behind.headers = {name: "/evil"}
    answer = behind.open("/mail/signup")
    assert "evil" not in answer.text + str(answer.headers)


def test_production_binds_the_cookie_to_the_path(make_app: Callable[..., Flask]) -> None:
    config = make_app(
        public_url="https://example.com/mail", notifier_env="production", redis_url="redis://127.0.0.1:1/0",
        mail_server="127.0.0.1", mail_default_sender="Acme <a@acme-news.com>", postal_address="Acme, Leeds",
        ratelimit_enabled=True,
    ).config  # fmt: skip
    assert (config["SESSION_COOKIE_NAME"], config["SESSION_COOKIE_PATH"]) == ("__Secure-notifier", "/mail")


@pytest.mark.parametrize("url", ["http://[2001:db8::1]:8000", "http://[::1]"])
def test_an_ipv6_address_accepts_itself(make_app: Callable[..., Flask], url: str) -> None:
    app = make_app(public_url=url)
    assert app.test_client().get("/signup", base_url=url).status_code == 200
    assert app.test_client().get("/signup", base_url="http://[2001:db8::2]").status_code == 400
