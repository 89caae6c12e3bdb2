"""A support agent's day in a real browser under the strict policy: finds, resends, corrects, exports, erases."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from notifier import clock
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.mail.message_ids import Ids, message_id
from notifier.models import AuditEntry, Consent, Event, Role, Status, User, WebhookDelivery
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.testing.factories import make_campaign, make_notification, make_user
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.looking import look

__all__ = ["browser"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = [pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"), pytest.mark.timeout(240)]

ADDRESS, CORRECTED = "ada.lovelce@example.com", "ada.lovelace@example.com"
LONG = "Maximilian Bartholomea Konstantinopolitanskaya-Featherstonehaugh"


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """A machine that does much beside takes its time."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int]) -> Iterator[str]:
    """The address of a running application: an admin, a person with a typo in their address, and others."""
    port = free_port()
    make_operator(Role.admin)
    app = make_app(public_url=f"http://127.0.0.1:{port}")
    with app.app_context():
        fill(app)
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


def fill(app: Flask) -> None:
    """Store the people, their emails, and an endpoint with deliveries in every state."""
    make_user("maximilian.konstantinopolitanskaya@mail.example.com", display_name=LONG, verified_at=clock.now())
    ada = make_user(ADDRESS, display_name="Ada Lovelace", created_at=clock.now() - timedelta(days=3))
    campaign = make_campaign(title="Winter news from all of us")
    key = Ids(services_of(app).settings.secret_keys).names[-1]
    sent = {"status": Status.sent, "sent_at": clock.now(), "settled_at": clock.now(), "id_key": key}
    old = clock.now() - timedelta(days=3)
    make_notification(ada, key="mail:1", now=old, server_id="4cYxA97LkjzPvk", template_version="x", **sent)
    later = clock.now() + timedelta(hours=6)
    make_notification(ada, kind="announcement", campaign_id=campaign.id, next_attempt_at=later, enqueue_at=later)
    services_of(app).endpoints.add(db.session(), "https://hooks.example/" + "x" * 80, ["notification.sent"], by=SYSTEM)
    for number, state in enumerate(("waiting", "delivered", "failed"), 1):
        db.session.add(Event(uid=f"u{number}", type="notification.sent", at=clock.now(), data={}))
        values = {"state": state, "attempts": number, "last_status": 500, "last_error": "the server answered 500"}
        db.session.add(WebhookDelivery(endpoint_id=1, event_id=number, **values))
    db.session.commit()


def ask(shot: Page, text: str) -> None:
    """Type into the box of the page, and press Enter."""
    box = shot.get_by_label("Find a person or an email")
    box.fill(text)
    box.press("Enter")
    shot.wait_for_load_state()


@pytest.mark.parametrize("width", [1280, 360])
def test_a_support_agents_day(app: Flask, site: str, browser: Browser, width: int, tmp_path: Path) -> None:
    with browsing(browser, width=width) as agent:
        agent.set_default_timeout(30_000)
        sign_in(agent, site)
        find(app, agent, width)
        help_ada(agent, width)
        export_and_erase(agent, width, tmp_path)
        for name, path in {"endpoints": "", "deliveries": "1", "endpoint-remove": "1/remove"}.items():
            agent.goto(f"{site}/admin/webhook-endpoints/{path}")
            look(agent, f"support-{name}-{width}")
    with app.app_context():
        actions = set(db.session.scalars(select(AuditEntry.action)))
        assert actions >= {
            "person.verification_resent", "person.address_corrected", "preferences.changed", "suppression.added",
            "suppression.lifted", "person.exported", "person.erased",
        }  # fmt: skip
        assert db.session.scalars(select(Consent)).all() == []
        assert [user.display_name for user in db.session.scalars(select(User))] == [LONG]


def sign_in(agent: Page, site: str) -> None:
    agent.goto(f"{site}/admin/")
    agent.get_by_label("Email address").fill("admin@example.com")
    agent.get_by_label("Password").fill(PASSWORD)
    agent.get_by_role("button", name="Sign in").click()
    expect(agent.get_by_role("heading", name="Dashboard")).to_be_visible()


def find(app: Flask, agent: Page, width: int) -> None:
    """Find nothing; a person by half a name; an email by its Message-ID; and the person from there."""
    ask(agent, "no such person")
    expect(agent.get_by_text("Nothing matches")).to_be_visible()
    look(agent, f"support-nothing-{width}")
    ask(agent, "konst")
    expect(agent.get_by_role("link", name="maximilian.konst")).to_be_visible()
    look(agent, f"support-long-{width}")
    ask(agent, "lovel")
    expect(agent.get_by_role("link", name=ADDRESS)).to_be_visible()
    look(agent, f"support-name-{width}")
    named = Ids(services_of(app).settings.secret_keys).make(1, "mail:1")
    ask(agent, message_id(named, "example.com"))
    look(agent, f"support-message-id-{width}")
    agent.get_by_role("link", name="#1", exact=True).click()
    look(agent, f"support-email-{width}")
    agent.get_by_role("link", name=ADDRESS).first.click()
    expect(agent.get_by_text("will be sent at")).to_be_visible()
    look(agent, f"support-person-{width}")


def help_ada(agent: Page, width: int) -> None:
    """Send the link again, correct the address, change a preference, suppress and lift."""
    agent.get_by_role("button", name="Send verification email again").click()
    expect(agent.get_by_text("Verification email queued")).to_be_visible()
    agent.get_by_role("link", name="Correct address…").click()
    dialog = agent.get_by_role("dialog")
    dialog.get_by_label("New address", exact=True).fill(CORRECTED)
    dialog.get_by_label("Reason", exact=True).fill("typo, by phone")
    look(agent, f"support-address-{width}")
    dialog.get_by_role("button", name="Correct").click()
    expect(agent.get_by_text("Address corrected, and verification email")).to_be_visible()
    agent.get_by_role("link", name="Change preferences…").click()
    dialog.get_by_label("Activity digest").select_option("monthly")
    dialog.get_by_label("How did they ask for it?").fill("by phone on 3 March")
    look(agent, f"support-preferences-{width}")
    dialog.get_by_role("button", name="Change").click()
    expect(agent.get_by_text("Preferences changed.")).to_be_visible()
    agent.get_by_role("link", name="Suppress…").click()
    dialog.get_by_label("Reason", exact=True).fill("asked by phone")
    look(agent, f"support-suppress-{width}")
    dialog.get_by_role("button", name="Suppress").click()
    expect(agent.get_by_role("heading", name="This address receives no email")).to_be_visible()
    look(agent, f"support-person-suppressed-{width}")
    agent.get_by_role("link", name="Remove suppression…").click()
    dialog.get_by_label("Reason for the removal").fill("asked again")
    dialog.get_by_role("button", name="Remove").click()
    expect(agent.get_by_text("Suppression removed.")).to_be_visible()
    expect(agent.get_by_role("heading", name=CORRECTED)).to_be_visible()


def export_and_erase(agent: Page, width: int, folder: Path) -> None:
    """Take the files along, look at the readable one, and erase with a receipt."""
    for name in ("Export as JSON", "Export to read"):
        with agent.expect_download() as download:
            agent.get_by_role("link", name=name).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        assert CORRECTED in path.read_text(encoding="utf-8")
    reader = agent.context.new_page()
    reader.goto((folder / "person-2.html").as_uri())
    look(reader, f"support-export-{width}")
    reader.close()
    agent.get_by_role("link", name="Erase…").click()
    dialog = agent.get_by_role("dialog")
    dialog.get_by_label("Type the address to confirm").fill(CORRECTED)
    dialog.get_by_label("Reference").fill("ticket 4711")
    look(agent, f"support-erase-{width}")
    dialog.get_by_role("button", name="Erase permanently").click()
    expect(agent.get_by_role("heading", name="Receipt of an erasure")).to_be_visible()
    assert CORRECTED not in (agent.text_content("main") or "")
    look(agent, f"support-receipt-{width}")
    with agent.expect_download() as download:
        agent.get_by_role("link", name="Download").click()
    assert "ticket 4711" in Path(download.value.path()).read_text(encoding="utf-8")
    ask(agent, CORRECTED)
    expect(agent.get_by_text("This address was erased")).to_be_visible()
    look(agent, f"support-erased-{width}")
