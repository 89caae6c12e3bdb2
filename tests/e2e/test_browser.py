"""A person with a browser: signs up, opens the inbox, reads the mail, confirms."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, page, picture, scrolls_sideways
from tests.support.up import Up

# One worker runs all tests of the stack: there is one stack.
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("up")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_from_signup_to_verified(up: Up, browser: Browser) -> None:
    with page(browser) as person:
        person.goto(up.address("web"))
        picture(person, "home")
        person.get_by_role("main").get_by_role("link", name="Create an account").click()
        person.get_by_label("Email address").fill("grace@example.com")
        person.get_by_label("Name").fill("Grace")
        picture(person, "signup")
        person.get_by_role("button", name="Create my account").click()
        expect(person.get_by_role("heading", level=1)).to_have_text("Check your inbox")
        picture(person, "check-inbox")

        open_the_mail(person, up, "grace@example.com")
        with person.context.expect_page() as opened:
            person.frame_locator("iframe").get_by_role("link", name="Confirm my address").first.click()
        confirm = opened.value
        expect(confirm.get_by_role("heading", level=1)).to_have_text("Confirm your address")
        picture(confirm, "confirm")
        confirm.get_by_role("button", name="Confirm my address").click()
        expect(confirm.get_by_role("heading", level=1)).to_have_text("Your address is confirmed")
        picture(confirm, "confirmed")


def open_the_mail(person: Page, up: Up, address: str) -> None:
    """From the inbox's list to the mail; the list finds it by itself."""
    person.goto(up.address("inbox"))
    row = person.get_by_role("link").filter(has_text=address).first
    expect(row).to_be_visible(timeout=15_000)
    picture(person, "inbox")
    row.click()
    expect(person.frame_locator("iframe").get_by_role("heading", level=1)).to_be_visible()
    picture(person, "mail")


def test_a_mistake_is_explained_where_it_is(up: Up, browser: Browser) -> None:
    # Chromium reports the answer to a form with a mistake as a resource that failed.
    with page(browser, expected="status of 400") as person:
        person.goto(up.address("web") + "/signup")
        person.get_by_label("Email address").fill("grace@")
        person.evaluate("document.querySelector('form').noValidate = true")
        person.get_by_role("button", name="Create my account").click()
        field = person.get_by_label("Email address")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_value("grace@")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_of_the_window(up: Up, browser: Browser, width: int, dark: bool) -> None:
    with page(browser, width=width, dark=dark) as person:
        for path in ("/", "/signup", "/check-inbox"):
            person.goto(up.address("web") + path)
            assert not scrolls_sideways(person), path
            assert person.get_by_role("heading", level=1).count() == 1
        person.goto(up.address("inbox"))
        assert not scrolls_sideways(person)
