"""The campaign form in a real browser: mistakes beside their inputs, a session that ends, and what comes back."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete

from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.models import Campaign, OperatorSession, Role
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
    """The address of a running application with an editor."""
    port = free_port()
    make_operator(Role.editor)
    with serving(make_app(public_url=f"http://127.0.0.1:{port}"), port):
        yield f"http://127.0.0.1:{port}"


def sign_in(person: Page) -> None:
    """Fill in the form that is shown."""
    person.get_by_label("Email address").fill("editor@example.com")
    person.get_by_label("Password").fill(PASSWORD)
    person.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("width", [1280, 360])
def test_a_campaign_is_made_although_numbers_are_wrong_and_the_session_ends(
    app: Flask, site: str, browser: Browser, width: int
) -> None:
    # The browser reports the answers 400 and 401, which are meant.
    with browsing(browser, width=width, expected="Failed to load resource") as person:
        person.set_default_timeout(20_000)
        person.goto(f"{site}/admin/campaigns/new?kind=announcement")
        sign_in(person)
        expect(person.get_by_role("heading", name="New announcement")).to_be_visible()
        look(person, f"new-{width}")
        person.get_by_label("Title", exact=True).fill("Winter news")
        person.get_by_label("Subject").fill("It is cold")
        person.get_by_label("Heading").fill("Winter")
        person.get_by_label("Paragraphs").fill("One.\n\nTwo.")
        person.get_by_label("Emails per second").fill("1,500")
        person.get_by_label("Expires after", exact=True).fill("1,5")
        person.get_by_label("Once, on a date").check()
        person.get_by_role("button", name="Save campaign").click()
        expect(person.get_by_role("heading", name="There are 2 problems")).to_be_visible()
        look(person, f"wrong-{width}")
        rate = person.get_by_label("Emails per second")
        expect(rate).to_have_accessible_description(
            "Across all workers. If empty, no limit for this campaign. "
            "“1,500” can be read in two ways. Write 1500 or 1.5."
        )
        expect(rate).to_have_attribute("aria-invalid", "true")
        rate.fill("1,5")
        person.get_by_label("Manually").check()
        with app.app_context():
            db.session.execute(delete(OperatorSession))
            db.session.commit()
        person.get_by_role("button", name="Save campaign").click()
        expect(person.get_by_text("What you typed is kept")).to_be_visible()
        look(person, f"over-{width}")
        sign_in(person)
        expect(person.get_by_text("It hasn\u2019t been saved yet")).to_be_visible()
        expect(person.get_by_label("Subject")).to_have_value("It is cold")
        look(person, f"back-{width}")
        person.get_by_role("button", name="Save campaign").click()
        expect(person.get_by_text("Campaign saved and paused")).to_be_visible()
        with app.app_context():
            made = db.session.query(Campaign).one()
            assert (made.title, made.rate, made.lifetime) == ("Winter news", 1.5, 129_600)
            assert made.settings["paragraphs"] == ["One.", "Two."]
