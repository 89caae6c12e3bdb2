"""The page of operators in a real browser under the strict policy: a desktop and a phone."""

import json
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from notifier.dev.ports import free_port
from notifier.emails.kind import SEALED
from notifier.extensions import db
from notifier.models import Notification, Role
from notifier.operators.audit_log import COMMAND_LINE
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


def sign_in(person: Page, address: str, path: str) -> None:
    person.set_default_timeout(20_000)
    person.goto(f"{address}{path}")
    person.get_by_label("Email address").fill("admin@example.com")
    person.get_by_label("Password").fill(PASSWORD)
    person.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("width", [1280, 360])
def test_an_operator_is_invited(site: tuple[Flask, str], browser: Browser, width: int) -> None:
    # A form with a mistake is answered with 400, which the console tells.
    with browsing(browser, width=width, expected="a status of 400") as person:
        sign_in(person, site[1], "/admin/operators/")
        person.get_by_text("Invite an operator").click()
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_role("button", name="Send the invitation").click()
        expect(person.get_by_text("already exists")).to_be_visible()
        look(person, f"operators-wrong-{width}")
        person.get_by_label("Email address").fill(LONG)
        person.get_by_label("Role").select_option("editor")
        person.get_by_role("button", name="Send the invitation").click()
        expect(person.get_by_text("gets an invitation as editor")).to_be_visible()
        look(person, f"operators-{width}")
        person.get_by_role("link", name=LONG).click()
        expect(person.get_by_role("button", name="Revoke the invitation")).to_be_visible()
        look(person, f"operator-{width}")


@pytest.mark.parametrize("width", [1280, 360])
def test_an_operator_is_disabled(
    site: tuple[Flask, str], browser: Browser, width: int, make_operator: Callable[..., int]
) -> None:
    pk = make_operator(Role.editor, LONG)
    with browsing(browser, width=width) as person:
        sign_in(person, site[1], f"/admin/operators/{pk}")
        person.get_by_role("link", name="Disable…").click()
        expect(person.get_by_role("dialog")).to_be_visible()
        look(person, f"operator-disable-{width}")
        person.get_by_role("dialog").get_by_role("button", name="Disable").click()
        expect(person.get_by_text("can no longer sign in")).to_be_visible()
        look(person, f"operator-disabled-{width}")


@pytest.mark.parametrize("width", [1280, 360])
def test_an_invited_person_joins(site: tuple[Flask, str], browser: Browser, width: int) -> None:
    app, _ = site
    with app.app_context():
        services_of(app).operator_emails.invite(db.session(), email=LONG, role=Role.viewer, by=COMMAND_LINE)
        db.session.commit()
    link = link_in_the_email(app)
    # A used link is answered with 404, which the console tells.
    with browsing(browser, width=width, expected="a status of 404") as guest:
        guest.set_default_timeout(20_000)
        guest.goto(link)
        look(guest, f"operator-link-{width}")
        guest.get_by_label("New password").fill("another password of five words")
        guest.get_by_role("button", name="Set the password").click()
        expect(guest.get_by_text("Your password is set")).to_be_visible()
        guest.goto(link)
        expect(guest.get_by_role("heading", name="This link does not work")).to_be_visible()
        look(guest, f"operator-link-dead-{width}")
