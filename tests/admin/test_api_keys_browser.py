"""The page of API keys in a real browser under the strict policy: a desktop and a phone."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.models import Role
from notifier.operators import api_keys
from notifier.operators.audit_log import COMMAND_LINE
from notifier.operators.scopes import Scope
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.looking import look
from tests.support.one_database import database_url

__all__ = ["browser", "database_url"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int]) -> Iterator[str]:
    """The address of a running application whose one key may do everything and has a long name."""
    port = free_port()
    make_operator(Role.admin)
    app = make_app(public_url=f"http://127.0.0.1:{port}")
    with app.app_context():
        api_keys.create(db.session(), name="w" * 64, wanted=list(Scope), kinds=(), by=COMMAND_LINE, principal="a" * 32)
        db.session.commit()
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("width", [1280, 360])
def test_a_key_is_made_and_revoked(site: str, browser: Browser, width: int) -> None:
    # A form with a mistake is answered with 400, which the console tells.
    with browsing(browser, width=width, expected="400") as person:
        person.set_default_timeout(20_000)
        person.goto(f"{site}/admin/api-keys/")
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_label("Password").fill(PASSWORD)
        person.get_by_role("button", name="Sign in").click()
        person.get_by_text("Create a key").click()
        look(person, f"keys-{width}")
        person.get_by_label("Name").fill("shop, production")
        person.get_by_role("button", name="Create the key").click()
        expect(person.get_by_text("Choose what the program may do.")).to_be_visible()
        look(person, f"keys-wrong-{width}")
        person.get_by_label("users:read").check()
        person.get_by_role("button", name="Create the key").click()
        expect(person.get_by_text("be shown again")).to_be_visible()
        look(person, f"keys-made-{width}")
        person.get_by_role("link", name="I have stored it").click()
        person.get_by_role("row", name="shop, production").get_by_role("link", name="Revoke…").click()
        expect(person.get_by_role("dialog")).to_be_visible()
        look(person, f"keys-revoke-{width}")
        person.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(person.get_by_text("no longer works")).to_be_visible()
        look(person, f"keys-after-{width}")
