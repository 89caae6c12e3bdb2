"""The page Import in a real browser on a phone: a preview, the same file again, and nothing wider than the screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect

from notifier.dev.ports import free_port
from notifier.models import Role
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.browser import chromium
from tests.support.browser import page as browsing
from tests.support.looking import look
from tests.support.one_database import database_url

__all__ = ["database_url"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int]) -> Iterator[str]:
    """The address of a running application."""
    port = free_port()
    make_operator(Role.admin)
    with serving(make_app(public_url=f"http://127.0.0.1:{port}"), port):
        yield f"http://127.0.0.1:{port}"


def test_people_are_imported_on_a_phone(site: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(f"external_id,email,{'w' * 64}\n{'7' * 200},ada@{'example.' * 20}com,\n8,no address,\n")
    with chromium() as browser, browsing(browser, width=360) as person:
        person.set_default_timeout(20_000)
        person.goto(f"{site}/admin/import/")
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_label("Password").fill(PASSWORD)
        person.get_by_role("button", name="Sign in").click()
        look(person, "form")
        person.get_by_label("File", exact=True).set_input_files(path)
        person.get_by_role("button", name="Preview").click()
        expect(person.get_by_text("campaigns will not reach them")).to_be_visible()
        look(person, "preview")
        person.get_by_label("The same file again").set_input_files(path)
        person.get_by_role("button", name="Import").click()
        expect(person.get_by_role("heading", name="Imported")).to_be_visible()
        look(person, "imported")
