"""Our pages inside a host, in a real browser: silent, below the mount, and back to the host's front page."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from sqlalchemy import select

from notifier import clock
from notifier.consent import preferences
from notifier.dev.ports import free_port
from notifier.models import Suppression
from notifier.services import services_of
from notifier.testing.website import serving
from tests.embedding.conftest import Host, deliver
from tests.support.axe import serious
from tests.support.browser import browser, picture, scrolls_sideways
from tests.support.browser import page as browsing
from tests.support.one_database import database_url

__all__ = ["browser", "database_url"]

FRONT = '<link rel="icon" href="data:,"><title>Shop</title><h1>The front page of the shop</h1>'

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def site(make_host: Callable[..., Host]) -> Iterator[tuple[Host, str]]:
    """A host on a real socket, with our pages at /mail, and its address."""
    port = free_port()
    host = make_host()
    host.app.testing = True
    host.app.config["NOTIFIER_PUBLIC_URL"] = f"http://127.0.0.1:{port}/mail"
    host.app.add_url_rule("/", "index", lambda: FRONT)
    host.start(mount="/mail")
    with serving(host.app, port):
        yield host, f"http://127.0.0.1:{port}"


def links_of(host: Host, email: str) -> dict[str, str]:
    """The links of emails to a new user of the host."""
    with host.app.app_context():
        user = host.add(email)
        key = host.notifier.send("verification", to=user).id
        host.db.session.commit()
        mirrored = host.mirrored()[str(user.id)]
    words = deliver(host, key).to(email)[0].text.split()
    about = {"user_id": mirrored.id, "identity_key": mirrored.identity_key}
    links = services_of(host.notifier.app).links
    return {
        "verify": next(word for word in words if "/verify/" in word),
        "not_me": next(word for word in words if "/not-me/" in word),
        "preferences": links.preferences(**about, notification_id=None, issued_at=clock.now()),
        "unsubscribe": links.unsubscribe(**about, category="report", notification_id=None, issued_at=clock.now()),
    }


def watch(person: Page) -> list[Response]:
    answers: list[Response] = []
    person.on("response", lambda answer: answers.append(answer))
    return answers


def look(person: Page, name: str) -> None:
    """The page fits a phone, and has nothing that a screen reader would stumble over."""
    assert serious(person) == []
    person.set_viewport_size({"width": 360, "height": 740})
    assert not scrolls_sideways(person)
    picture(person, f"mounted-{name}-360")
    person.set_viewport_size({"width": 1280, "height": 800})
    picture(person, f"mounted-{name}")


def test_a_person_confirms_chooses_and_unsubscribes(site: tuple[Host, str], browser: Browser) -> None:
    host, base = site
    links = links_of(host, "ada@example.com")
    with browsing(browser) as person:
        person.set_default_timeout(20_000)
        answers = watch(person)
        person.goto(links["verify"])
        look(person, "verify")
        person.get_by_role("button", name="Confirm my address").click()
        expect(person.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
        look(person, "verified")
        person.goto(links["preferences"])
        person.get_by_label("News").uncheck()
        person.get_by_role("button", name="Save", exact=True).click()
        expect(person.get_by_text("Saved.")).to_be_visible()
        look(person, "preferences")
        person.goto(links["unsubscribe"])
        person.get_by_role("button", name="Unsubscribe").click()
        expect(person.get_by_role("heading", name="unsubscribed")).to_be_visible()
        ours = [answer for answer in answers if answer.url.startswith(f"{base}/mail/")]
        assert len(ours) > 5
        assert [
            answer.url for answer in ours if "default-src 'self'" not in answer.headers["content-security-policy"]
        ] == []
        assert [answer.url for answer in answers if answer not in ours or answer.status >= 400] == []
        assert {cookie["path"] for cookie in person.context.cookies()} == {"/mail"}
        person.locator("a.brand").click()
        expect(person.get_by_role("heading", name="The front page of the shop")).to_be_visible()
    [mirrored] = host.mirrored().values()
    assert mirrored.verified_at is not None
    with host.notifier.app.app_context():
        wishes = preferences.of(host.notifier.app.extensions["sqlalchemy"].session(), mirrored.id)
    assert {name for name, wish in wishes.items() if not wish.wanted} == {"news", "report"}


def test_the_owner_of_a_mailbox_stops_emails_and_takes_it_back(site: tuple[Host, str], browser: Browser) -> None:
    host, _ = site
    links = links_of(host, "ada@example.com")
    with browsing(browser) as person:
        person.set_default_timeout(20_000)
        person.goto(links["not_me"])
        look(person, "not-me")
        person.get_by_role("button", name="This wasn").click()
        expect(person.get_by_role("button", name="Allow emails to this address")).to_be_visible()
        look(person, "stopped")
        assert len(host.stored(select(Suppression))) == 1
        person.goto(links["not_me"])
        person.get_by_role("button", name="Allow emails to this address").click()
        expect(person.get_by_role("heading", name="Emails are allowed again")).to_be_visible()
        look(person, "allowed")
        person.get_by_role("link", name="Go to the start page").click()
        expect(person.get_by_role("heading", name="The front page of the shop")).to_be_visible()
        assert host.stored(select(Suppression)) == []


def test_a_page_that_does_not_exist_is_ours_below_the_mount(site: tuple[Host, str], browser: Browser) -> None:
    _, base = site
    with browsing(browser, expected="404") as person:
        for path in ("/mail/nothing", "/mail/verify/cut-off", "/mail/signup"):
            person.goto(base + path)
            look(person, path.strip("/").replace("/", "-"))
            person.get_by_role("link", name="Go to the start page").click()
            expect(person.get_by_role("heading", name="The front page of the shop")).to_be_visible()
