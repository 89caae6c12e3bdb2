"""A real browser: the Chromium that the system brings, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW = "NOT RUN: no Chromium was found. Debian: apt-get install chromium libatomic1"

#: Where pictures for the documentation go when they are asked for.
#: The pictures that the documentation shows.
SHOWN = Path(__file__).parents[2] / "docs" / "images"


def find() -> str:
    """The path of a Chromium; without one the test is not run, loudly, or fails under REQUIRE_BROWSER=1."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(HOW)
        pytest.skip(HOW)
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process."""
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The one browser process of a module, for those that import it."""
    with chromium() as running:
        yield running


@contextmanager
def page(
    browser: Browser, *, width: int = 1280, height: int = 800, dark: bool = False, expected: str = ""
) -> Iterator[Page]:
    """A page of its own; leaving it fails where the console said anything but what is `expected`."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    messages: list[str] = []
    _listen(context, messages)
    yield context.new_page()
    context.close()
    surprises = [message for message in messages if not expected or expected not in message]
    assert surprises == []


def _listen(context: BrowserContext, messages: list[str]) -> None:
    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            messages.append(f"{message.type}: {message.text}")

    context.on("console", heard)
    context.on("weberror", lambda error: messages.append(str(error.error)))


def picture(shot: Page, name: str) -> None:
    """Write a picture of every page to the folder PICTURES, if that is set.

    UPDATE_PICTURES=1 writes those that the documentation shows.
    """
    if folder := os.environ.get("PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shot.screenshot(path=Path(folder) / f"{name}.png")
    if os.environ.get("UPDATE_PICTURES") == "1" and (SHOWN / f"{name}.png").exists():
        shot.screenshot(path=SHOWN / f"{name}.png")


def scrolls_sideways(shot: Page) -> bool:
    """True where the page is wider than its window."""
    wider: bool = shot.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wider
