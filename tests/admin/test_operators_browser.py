"""The page of operators in a real browser under the strict policy: a desktop and a phone."""

import json
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from notifier.dev.ports import free_port
from notifier.emails.kind import SEALED
from notifier.extensions import db
from notifier.models import Notification, Role
from notifier.services import services_of
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.looking import look
from tests.support.one_database import database_url

__all__ = ["browser", "database_url"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

LONG = f"{'w' * 60}@example.com"


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int]) -> Iterator[tuple[Flask, str]]:
    """A running application with an admin, and its address."""
    port = free_port()
    make_operator(Role.admin)
    app = make_app(public_url=f"http://127.0.0.1:{port}")
    with serving(app, port):
        yield app, f"http://127.0.0.1:{port}"


def link_in_the_email(app: Flask) -> str:
    with app.app_context():
        row = db.session.scalars(select(Notification).order_by(Notification.id.desc())).first()
        assert row is not None
        token = json.loads(services_of(app).sealer.open(row.params[SEALED]))["token"]
        return services_of(app).links.admin(f"join/{token}")


@pytest.mark.parametrize("width", [1280, 360])
def test_an_operator_is_invited_joins_and_is_disabled(site: tuple[Flask, str], browser: Browser, width: int) -> None:
    app, address = site
    # A form with a mistake is answered with 400, a used link with 404, which the console tells.
    with browsing(browser, width=width, expected="a status of 40") as person:
        person.set_default_timeout(20_000)
        person.goto(f"{address}/admin/operators/")
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_label("Password").fill(PASSWORD)
        person.get_by_role("button", name="Sign in").click()
        person.get_by_text("Invite an operator").click()
        look(person, f"operators-{width}")
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_role("button", name="Send the invitation").click()
        expect(person.get_by_text("already exists")).to_be_visible()
        look(person, f"operators-wrong-{width}")
        person.get_by_label("Email address").fill(LONG)
        person.get_by_label("Role").select_option("editor")
        person.get_by_role("button", name="Send the invitation").click()
        expect(person.get_by_text("gets an invitation as editor")).to_be_visible()
        look(person, f"operators-invited-{width}")
        person.get_by_role("link", name=LONG).click()
        look(person, f"operator-{width}")
        with browsing(browser, width=width, expected="a status of 40") as guest:
            guest.set_default_timeout(20_000)
            link = link_in_the_email(app)
            guest.goto(link)
            look(guest, f"operator-link-{width}")
            guest.get_by_label("New password").fill("another password of five words")
            guest.get_by_role("button", name="Set the password").click()
            expect(guest.get_by_text("Your password is set")).to_be_visible()
            guest.get_by_label("Email address").fill(LONG)
            guest.get_by_label("Password").fill("another password of five words")
            guest.get_by_role("button", name="Sign in").click()
            expect(guest.get_by_role("heading", name="Dashboard")).to_be_visible()
            person.reload()
            person.get_by_role("link", name="Disable…").click()
            expect(person.get_by_role("dialog")).to_be_visible()
            look(person, f"operator-disable-{width}")
            person.get_by_role("dialog").get_by_role("button", name="Disable").click()
            expect(person.get_by_text("can no longer sign in")).to_be_visible()
            look(person, f"operator-disabled-{width}")
            guest.goto(link)
            expect(guest.get_by_text("This link does not work")).to_be_visible()
            look(guest, f"operator-link-dead-{width}")
