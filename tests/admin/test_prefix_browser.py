"""Published at /mail behind a proxy, in a real browser: every page, email, file and cookie stays below the path."""

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Response, expect

from notifier import clock
from notifier.dev.ports import free_port
from notifier.emails import Category
from notifier.extensions import db
from notifier.models import User
from notifier.security.links import Links
from notifier.services import services_of
from notifier.testing.forms import csrf_token
from notifier.testing.operators import PASSWORD
from notifier.testing.smtp_server import SmtpServer
from notifier.testing.website import Person, serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.one_database import database_url
from tests.support.path_proxy import PathProxy, proxying

__all__ = ["browser", "database_url"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int], smtp: SmtpServer) -> Iterator[PathProxy]:
    """The application, with an admin, behind a proxy that publishes it at /mail."""
    with proxying("/mail") as proxy:
        app = make_app(
            public_url=f"http://127.0.0.1:{proxy.port}/mail", trusted_proxies=1, mail_server=smtp.host,
            mail_port=smtp.port, mail_suppress_send=False,
        )  # fmt: skip
        services_of(app).celery.conf.task_always_eager = True
        make_operator()
        proxy.upstream = free_port()
        with serving(app, proxy.upstream):
            yield proxy


def link_in(smtp: SmtpServer, page: str) -> str:
    """The link to this page in the newest email."""
    mail = cast("EmailMessage", message_from_bytes(smtp.accepted[-1].data, policy=policy.default))
    text = mail.get_body(("plain",))
    assert text is not None
    found = re.search(rf"http://\S+/{page}/\S+", text.get_content())
    assert found, text.get_content()
    return found[0]


def watch(person: Page) -> list[str]:
    """Answers that refuse something."""
    refused: list[str] = []

    def answered(answer: Response) -> None:
        if answer.status >= 400:
            refused.append(f"{answer.status} {answer.url}")

    person.context.on("response", answered)
    return refused


def test_everything_works_below_the_path(site: PathProxy, browser: Browser, smtp: SmtpServer, app: Flask) -> None:
    base = f"http://127.0.0.1:{site.port}/mail"
    with browsing(browser) as person:
        person.set_default_timeout(20_000)
        refused = watch(person)
        sign_up_and_confirm(person, base, smtp)
        choose(person, app, base)
        work_in_the_admin(person, base)
        cookies = person.context.cookies()
        assert cookies
        assert {cookie["path"] for cookie in cookies} == {"/mail"}
        assert refused == []
    assert site.strays == []


def sign_up_and_confirm(person: Page, base: str, smtp: SmtpServer) -> None:
    person.goto(f"{base}/signup")
    person.get_by_label("Email address").fill("ada@example.com")
    person.get_by_role("button", name="Create my account").click()
    expect(person.get_by_role("heading", name="inbox")).to_be_visible()
    assert person.url == f"{base}/check-inbox"
    link = link_in(smtp, "verify")
    assert link.startswith(f"{base}/verify/")
    person.goto(link)
    person.get_by_role("button", name="Confirm my address").click()
    expect(person.get_by_role("button", name="Confirm my address")).to_have_count(0)


def choose(person: Page, app: Flask, base: str) -> None:
    """Preferences by the link of an email, then one click as a mail program does it: without cookies or page."""
    with app.app_context():
        user = db.session.scalars(db.select(User)).one()
        about = {
            "user_id": user.id,
            "identity_key": user.identity_key,
            "notification_id": None,
            "issued_at": clock.now(),
        }
    links = services_of(app).links
    at_base = Links(base, links.signer)
    person.goto(at_base.preferences(**about))
    person.get_by_label("News").uncheck()
    person.get_by_role("button", name="Save", exact=True).click()
    expect(person.get_by_label("News")).not_to_be_checked()
    provider = Person(cookies=False)
    url = at_base.unsubscribe(category=Category.report, **about)
    assert provider.ask("POST", url, {"List-Unsubscribe": "One-Click"}).status == 200
    person.reload()
    expect(person.get_by_label("Monthly report")).not_to_be_checked()


def work_in_the_admin(person: Page, base: str) -> None:
    person.goto(f"{base}/admin/people/?email=ada@example.com")
    person.get_by_label("Email address").fill("admin@example.com")
    person.get_by_label("Password").fill(PASSWORD)
    person.get_by_role("button", name="Sign in").click()
    person.wait_for_url(re.compile(rf"{base}/admin/people/\d+/"))
    for section in ("", "campaigns/", "notifications/", "audit/"):
        person.goto(f"{base}/admin/{section}")
        expect(person.get_by_role("heading", level=1)).to_be_visible()
        assert [
            link
            for link in person.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
            if "mail/" not in link
        ] == []


def test_production_behind_https_keeps_its_cookies_below_the_path(
    make_app: Callable[..., Flask], make_operator: Callable[..., int]
) -> None:
    make_operator()
    app = make_app(
        lambda keys, bulk: None, notifier_env="production", public_url="https://example.com/mail", trusted_proxies=1,
        redis_url="redis://127.0.0.1:1/0", mail_server="127.0.0.1", mail_default_sender="Acme <a@acme-news.com>",
        postal_address="Acme, Leeds", ratelimit_enabled=True,
    )  # fmt: skip
    port = free_port()
    with proxying("/mail", strips=True, scheme="https") as proxy, serving(app, port):
        proxy.upstream = port
        base, person = f"http://127.0.0.1:{proxy.port}/mail", Person(cookies=False)
        form = person.ask("GET", f"{base}/admin/sign-in", Host="example.com")
        token = csrf_token(form.text)
        cookie = form.headers["Set-Cookie"]
        assert re.match(r"__Secure-notifier=\S+; Secure; HttpOnly; Path=/mail; SameSite=Lax", cookie), cookie
        fields = {"csrf_token": token, "email": "admin@example.com", "password": PASSWORD}
        answer = person.ask(
            "POST", f"{base}/admin/sign-in", fields, Host="example.com", Cookie=cookie.partition(";")[0]
        )
        assert (answer.status, answer.headers["Location"]) == (303, "/mail/admin/")
        assert answer.headers["Strict-Transport-Security"]
        for made in answer.headers.get_all("Set-Cookie"):
            assert made.startswith("__Secure-"), made
            assert {"Secure", "HttpOnly", "Path=/mail"} <= set(made.split("; ")), made
        assert person.ask("GET", f"{base}/signup", Host="evil.example").status == 400
