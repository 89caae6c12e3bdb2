"""Look at a page in a real browser as every page is looked at."""

import os

from playwright.sync_api import Page, expect

from tests.support.axe import serious
from tests.support.browser import scrolls_sideways


def look(shot: Page, name: str) -> None:
    """Hold the page against what every page keeps; FORM_PICTURES names a folder for pictures."""
    shot.wait_for_load_state()
    expect(shot.locator("[aria-busy]")).to_have_count(0)
    assert not scrolls_sideways(shot), name
    assert serious(shot) == [], name
    if folder := os.environ.get("FORM_PICTURES"):
        shot.screenshot(path=f"{folder}/{name}.png", full_page=True)
