"""The preview of content in a real browser: no content in it can act."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from notifier.admin.content import mail
from notifier.app import create_app
from notifier.content import Checked, Content, ContentError, lay_out
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.mail.message import Message
from notifier.models import Role
from notifier.operators import roster
from notifier.services import services_of
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.applications import NOON, make_settings
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.campaigns import make_campaign

__all__ = ["browser"]

CASES = json.loads((Path(__file__).parent.parent / "data" / "template_html.json").read_text())
RAW = [case["input"] for case in CASES] + [
    "<a href='https://evil.example' target=_top>go</a>", "<object data=//evil.example></object>",
    "<style>@import url(//evil.example); body { background: url(//evil.example/x) }</style>",
    "<video src=//evil.example autoplay></video>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x",
    "<details open ontoggle=alert(1)>", "<input autofocus onfocus=alert(1)>", "<embed src=//evil.example>",
]  # fmt: skip


def is_accepted(text: str) -> bool:
    """Return whether content may say this, as the text that it is: HTML that would be a link or a picture may not."""
    try:
        lay_out(Checked(Content("s", "h", text), {}).draw({}), strict=True)
    except ContentError:
        return False
    return True


SHOWN = [case["input"] for case in CASES if is_accepted(case["input"])]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture(scope="module")
def site(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """The application on a socket, with an editor and a campaign."""
    path = tmp_path_factory.mktemp("words") / "notifier.db"
    shutil.copy(migrated_sqlite, path)
    port = free_port()
    app = create_app(make_settings(database_url=f"sqlite:///{path}", public_url=f"http://127.0.0.1:{port}"))
    with app.app_context():
        roster.create(db.session(), email="editor@example.com", password=PASSWORD, role=Role.editor)
        make_campaign(title="The news")
    with serving(app, port):
        yield app, f"http://127.0.0.1:{port}"
    services_of(app).transports.primary.close()
    with app.app_context():
        db.engine.dispose()


def sign_in(person: Page, base: str) -> None:
    person.goto(f"{base}/admin/sign-in")
    person.get_by_label("Email address").fill("editor@example.com")
    person.get_by_label("Password").fill(PASSWORD)
    person.get_by_role("button", name="Sign in").click()
    person.goto(f"{base}/admin/content/1/")


def watch(context: BrowserContext, base: str) -> tuple[list[str], list[str]]:
    """Dialogs that open, and requests to anywhere else."""
    dialogs: list[str] = []
    outside: list[str] = []

    def asked(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    def left(route: Route) -> None:
        outside.append(route.request.url)
        route.abort()

    context.on("dialog", asked)
    # Where requests leave the browser: what its policy stops never comes here.
    context.route(lambda url: not url.startswith((base, "data:", "blob:")), left)
    return dialogs, outside


def test_the_preview_follows_what_is_typed_and_stays_inert(site: tuple[Flask, str], browser: Browser) -> None:
    _, base = site
    with browsing(browser, width=1700) as person:
        dialogs, outside = watch(person.context, base)
        sign_in(person, base)
        frame = person.frame_locator("iframe.w-mail:not(.w-coming)")
        expect(frame.get_by_role("heading", name="What is new")).to_be_visible()
        person.get_by_label("Body").fill("\n\n".join([*SHOWN, "The end"]))
        expect(frame.get_by_text("The end", exact=True)).to_be_visible()
        for text in SHOWN:
            assert frame.get_by_text(text, exact=True).count() == 1
        history = person.evaluate("history.length")
        person.get_by_label("Heading").fill("Quite new")
        expect(frame.get_by_role("heading", name="Quite new")).to_be_visible()
        assert person.evaluate("history.length") == history
        shown = person.locator("iframe.w-mail:not(.w-coming)")
        person.get_by_label("Phone", exact=True).check()
        expect(shown).to_have_js_property("offsetWidth", 360)
        person.get_by_label("Dark", exact=True).check()
        expect(frame.locator(".card").first).to_have_css("background-color", "rgb(20, 32, 40)")
        person.get_by_label("Plain text", exact=True).check()
        expect(frame.locator("pre")).to_contain_text("Subject: News")
        person.get_by_label("Source", exact=True).check()
        expect(frame.locator("pre")).to_contain_text("Content-Transfer-Encoding: quoted-printable")
        person.get_by_label("Body").fill("Hello {{ user.nme }}")
        expect(frame.get_by_role("alert")).to_contain_text("Body, line 1")
        assert (dialogs, outside) == ([], [])


def test_a_mistake_keeps_the_words_and_a_save_is_one_version(site: tuple[Flask, str], browser: Browser) -> None:
    _, base = site
    with browsing(browser, expected="status of 400") as person:
        sign_in(person, base)
        person.get_by_label("Body").fill("One.\n\n{{ nothing }}")
        person.get_by_role("button", name="Save as a new version").click()
        expect(person.get_by_role("alert").first).to_contain_text("Body, line 3")
        expect(person.get_by_label("Body")).to_have_value("One.\n\n{{ nothing }}")
        person.get_by_label("Body").fill("One.\n\nTwo.")
        person.get_by_role("button", name="Save as a new version").dblclick()
        expect(person.get_by_text("Saved as version 1.")).to_be_visible()
        person.get_by_role("link", name="Versions").click()
        expect(person.get_by_role("link", name="version 1", exact=True)).to_have_count(1)


def test_raw_html_in_the_frame_would_be_inert(
    site: tuple[Flask, str], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should markup ever get as far as that."""
    _, base = site
    raw = ""

    def evil(*_: Any) -> Message:
        return Message(
            sender_name="", sender_address="a@example.com", recipient="b@example.com", subject="S", text="T",
            html=f"<!doctype html><html><body>{raw}<p>End</p></body></html>", message_id="<x@example.com>", date=NOON,
            envelope_sender="a@example.com",
        )  # fmt: skip

    monkeypatch.setattr(mail, "message_of", evil)
    context = browser.new_context()
    dialogs, outside = watch(context, base)
    person = context.new_page()
    sign_in(person, base)
    for raw in (*RAW, "".join(RAW)):
        person.goto(f"{base}/admin/content/1/")
        expect(person.frame_locator("iframe").locator("body")).to_contain_text("Subject:")
        for link in person.frame_locator("iframe").locator("a").all():
            link.click(force=True, no_wait_after=True)
        person.wait_for_timeout(50)
        assert person.url == f"{base}/admin/content/1/", raw
    # Opened by itself it is as harmless: the answer brings its own sandbox.
    person.goto(f"{base}/admin/content/1/frame")
    person.wait_for_timeout(50)
    assert person.evaluate("origin") == "null"
    context.close()
    assert dialogs == []
    assert outside == []
