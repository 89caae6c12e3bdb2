"""An operator of the host in a real browser, wide and narrow: signed in there, at work here, signed out there."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from notifier.dev.ports import free_port
from notifier.models import Campaign
from notifier.testing.website import serving
from tests.embedding.conftest import Host
from tests.embedding.office import Office
from tests.support.axe import serious
from tests.support.browser import browser, page, picture, scrolls_sideways
from tests.support.campaigns import make_campaign

__all__ = ["browser"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def site(make_host: Callable[..., Host]) -> Iterator[tuple[Office, str]]:
    """A served host with an editor, whose key is 1, and a campaign. Its address."""
    port = free_port()
    host = make_host()
    host.app.config["NOTIFIER_PUBLIC_URL"] = f"http://127.0.0.1:{port}/mail"
    office = Office(host)
    host.app.add_url_rule("/", "index", lambda: "<!doctype html><title>The shop</title><h1>The shop</h1>")
    with host.app.app_context():
        host.add("editor@shop.example", "editor")
    with office.ours.app_context():
        make_campaign()
    with serving(host.app, port):
        yield office, f"http://127.0.0.1:{port}"


def look(shot: Page, name: str) -> None:
    picture(shot, name)
    assert not scrolls_sideways(shot), name
    assert serious(shot) == [], name


@pytest.mark.parametrize("width", [1280, 360])
def test_a_day_of_an_operator_of_the_host(browser: Browser, site: tuple[Office, str], width: int) -> None:
    office, address = site
    # Chromium logs every answer that refuses something.
    with page(browser, width=width, expected="the server responded with a status of 40") as desk:
        desk.goto(f"{address}/mail/admin/")
        look(desk, f"host-signed-out-{width}")
        desk.get_by_role("link", name="Go to the application").click()
        expect(desk.get_by_role("heading", name="The shop")).to_be_visible()
        desk.request.post(f"{address}/login/1")
        desk.goto(f"{address}/mail/admin/")
        if width < 900:
            desk.get_by_text("Menu", exact=True).click()
        look(desk, f"host-dashboard-{width}")
        corner = desk.locator(".whoami:visible")
        expect(corner).to_contain_text("Signed in as editor@shop.example (editor)")
        corner.scroll_into_view_if_needed()
        picture(desk, f"host-corner-{width}")
        expect(corner.get_by_role("link", name="Back to the application")).to_have_attribute("href", "/")
        for path in ("audit/", "people/", "campaigns/1/", "content/1/"):
            desk.goto(f"{address}/mail/admin/{path}")
            look(desk, f"host-{path.partition('/')[0]}-{width}")
        write_and_lose_nothing(desk, address, width)
        assert office.stored(select(Campaign.title)) == ["Long to find"]


def write_and_lose_nothing(desk: Page, address: str, width: int) -> None:
    """Signed out at the host while typing: sign in there in another tab, and send it again."""
    desk.goto(f"{address}/mail/admin/campaigns/1/edit")
    desk.get_by_label(re.compile("^Title")).fill("Long to find")
    desk.request.post(f"{address}/logout")
    desk.get_by_role("button", name=re.compile("^Save")).click()
    expect(desk.get_by_text("What you typed is kept on this page.")).to_be_visible()
    look(desk, f"host-kept-{width}")
    with desk.expect_popup() as tab:
        desk.get_by_role("link", name="Go to the application").click()
    expect(tab.value.get_by_role("heading", name="The shop")).to_be_visible()
    desk.request.post(f"{address}/login/1")
    desk.get_by_role("button", name="Send it again").click()
    expect(desk).to_have_url(f"{address}/mail/admin/campaigns/1/")
