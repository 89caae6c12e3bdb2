"""A day's work in the admin, by a person with a browser, a phone and an authenticator app.

Under the strict policy for scripts; anything on the console fails it. At the end of the day on Postgres every page is
looked at, wide and narrow, by axe-core too, and kept as a picture if asked (`tests.support.browser.picture`).
"""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from notifier.dev.ports import wait_until
from notifier.testing.servers.postgres import PostgresServer
from tests.support.axe import serious
from tests.support.browser import browser, page, picture, scrolls_sideways
from tests.support.up import Up, mails_to

__all__ = ["browser"]

pytestmark = pytest.mark.timeout(300)

EMAIL, PASSWORD = "desk@example.com", "a password of four words"
TITLE = "Weekly nudge"

PAGES = {
    "dashboard": "/admin/",
    "campaigns": "/admin/campaigns/",
    "campaign-kinds": "/admin/campaigns/new",
    "runs": "/admin/runs/",
    "templates": "/admin/content/",
    "notifications": "/admin/notifications/",
    "people": "/admin/people/",
    "suppressions": "/admin/suppressions/",
    "failures": "/admin/failures/",
    "queue": "/admin/queue/",
    "tasks": "/admin/tasks/",
    "jobs": "/admin/jobs/",
    "health": "/admin/health/",
    "audit": "/admin/audit/",
    "account": "/admin/account/",
}


@pytest.fixture
def on_postgres(postgres: PostgresServer, tmp_path: Path) -> Iterator[Up]:
    """`./run up` on Postgres."""
    running = Up(tmp_path, DATABASE_URL=postgres.create_database("day"))
    try:
        running.wait_until_up()
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(60)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_day_at_the_desk(request: pytest.FixtureRequest, browser: Browser, database: str) -> None:
    """On SQLite it is the day of the stack that other tests use, too."""
    office: Up = request.getfixturevalue("up" if database == "sqlite" else "on_postgres")
    office.run("seed", "--users", "900", "--verified", "0.1", "--activities", "2")
    office.run("operator", "create", EMAIL, "--password", PASSWORD)
    # Chromium logs every answer that refuses something; two are provoked here, and nothing else may be said.
    with page(browser, expected="the server responded with a status of 40") as desk:
        desk.set_default_timeout(20_000)
        secret = set_up_the_second_factor(desk, office.address("web"))
        sign_in(desk, office.address("web"), secret)
        make_a_weekly_reminder(desk)
        seen = {"campaign": desk.url, "campaign-edit": f"{desk.url}edit", "plan": f"{desk.url}run"}
        edit_the_content(desk, office)
        seen["content"] = seen["campaign"].replace("/campaigns/", "/content/")
        run_it(desk)
        seen["run"] = desk.url
        untold = look_up_why(desk)
        seen["person"] = desk.url
        suppress_and_lift(desk, untold)
        pause_and_resume(desk)
        if database == "postgres":
            office.run("tick")  # the charts count what came to rest
            web = office.address("web")
            look_at_every_page(desk, seen | {name: f"{web}{path}" for name, path in PAGES.items()})
            desk.set_viewport_size({"width": 1280, "height": 800})
        desk.get_by_role("button", name="Sign out").locator("visible=true").first.click()
        desk.goto(f"{office.address('web')}/admin/", wait_until="commit")
        expect(desk.get_by_role("heading", name="Sign in")).to_be_visible()


def set_up_the_second_factor(desk: Page, web: str) -> str:
    """Sign in with the password alone, switch the factor on, sign out. The app's secret."""
    desk.goto(f"{web}/admin/sign-in")
    desk.get_by_label("Email address").fill(EMAIL)
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    desk.goto(f"{web}/admin/account/")
    desk.get_by_role("link", name="Set it up").click()
    desk.get_by_text("Can\u2019t scan it?").click()
    secret = desk.locator(".steps details code").inner_text().replace(" ", "")
    desk.get_by_role("textbox", name="Code").fill(pyotp.TOTP(secret).now())
    desk.get_by_label("Current password").fill(PASSWORD)
    desk.get_by_role("button", name="Turn it on").click()
    expect(desk.locator(".codes li")).to_have_count(10)
    recovery = desk.locator(".codes li").first.inner_text()
    desk.get_by_role("link", name="I have stored them").click()
    desk.get_by_role("button", name="Sign out").locator("visible=true").first.click()
    return recovery


def sign_in(desk: Page, web: str, code: str) -> None:
    """With a recovery code: the app's own code of this half minute was used up by switching it on."""
    desk.goto(f"{web}/admin/sign-in")
    desk.get_by_label("Email address").fill(EMAIL)
    desk.get_by_label("Password").fill("not the password at all")
    desk.get_by_role("button", name="Sign in").click()
    expect(desk.get_by_role("alert")).to_be_visible()
    desk.get_by_label("Email address").fill(EMAIL)
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    desk.get_by_role("textbox", name="Code").fill(code)
    desk.get_by_role("button", name="Continue").click()
    expect(desk.locator("h1")).to_have_text("Dashboard")


def make_a_weekly_reminder(desk: Page) -> None:
    """By choosing; the words and the next runs follow."""
    follow(desk, "Campaigns")
    desk.get_by_role("link", name="New campaign").click()
    desk.get_by_role("link", name="Verification reminder").click()
    desk.get_by_label("Title").fill(TITLE)
    desk.get_by_label("Name", exact=True).fill("weekly-nudge")
    desk.get_by_label("Week", exact=False).first.check()
    desk.get_by_label("Monday").check()
    meaning = desk.get_by_role("region", name="What this means")
    desk.get_by_label("At", exact=True).fill("07:30")
    desk.get_by_label("Time zone", exact=True).fill("Europe/Berlin")
    expect(meaning).to_contain_text("Every Monday at 07:30 (Europe/Berlin)")
    expect(meaning.locator(".next-runs li")).to_have_count(5)
    expect(meaning.locator(".next-runs")).not_to_contain_text("Thu ")
    desk.get_by_label("Thursday").check()
    expect(meaning).to_contain_text("Thursday")
    expect(meaning.locator(".next-runs")).to_contain_text("Thu ")
    picture(desk, "admin-campaign-new")
    desk.get_by_label("Start it").check()
    desk.get_by_role("button", name="Save campaign").click()
    expect(desk.locator("h1")).to_have_text(TITLE)


def edit_the_content(desk: Page, office: Up) -> None:
    """Change the subject, look at it as a person, send a test, find it in the inbox."""
    desk.get_by_role("link", name="Edit content").click()
    desk.get_by_label("Subject").fill("{{ user.name|default('You') }}, one click is missing")
    with desk.expect_response(re.compile("/admin/content/.*")):
        desk.get_by_role("button", name="Show preview").click()
    desk.get_by_role("button", name="Save as a new version").click()
    expect(desk.get_by_text("Saved as version 1.")).to_be_visible()
    picture(desk, "admin-content")
    desk.get_by_role("button", name=f"Send a test to {EMAIL}").click()
    inbox = office.address("inbox")
    assert wait_until(lambda: bool(mails_to(inbox, EMAIL)), 20, 0.1)
    (mail,) = mails_to(inbox, EMAIL)
    assert "one click is missing" in mail["Content"]["Headers"]["Subject"][0]
    assert mail["Content"]["Headers"]["Subject"][0].startswith("[Test]")


def run_it(desk: Page) -> None:
    """The plan, the number to type, and all of it goes out."""
    follow(desk, "Campaigns")
    desk.get_by_role("link", name=TITLE, exact=True).click()
    desk.get_by_role("link", name=re.compile("Plan and run")).click()
    button = desk.get_by_role("button", name=re.compile(r"^Send [\d,]+ emails$"))
    count = re.sub(r"\D", "", button.inner_text())
    assert int(count) > 100
    picture(desk, "admin-plan")
    desk.get_by_label(re.compile("to confirm")).fill("7")
    button.click()
    expect(desk.locator(".wrong").first).to_be_visible()
    desk.get_by_label(re.compile("to confirm")).fill(count)
    desk.get_by_role("button", name=re.compile(r"^Send [\d,]+ emails$")).click()
    expect(desk.locator("h1")).to_contain_text("Run #")
    expect(desk.locator(".percent")).to_have_text("100 %", timeout=60_000)
    expect(desk.locator("[data-final]")).to_be_visible(timeout=40_000)
    expect(desk.get_by_role("link", name=re.compile(rf"^{int(count):,} sent$"))).to_be_visible()
    picture(desk, "admin-run")


def look_up_why(desk: Page) -> str:
    """The page of somebody who got one, and of somebody who did not, whose address this returns."""
    desk.get_by_role("link", name="All emails of this run").click()
    told = desk.locator("tbody tr a").filter(has_text="@").first.inner_text()
    find(desk, told)
    expect(why(desk)).to_contain_text("sent")
    picture(desk, "admin-person")
    follow(desk, "People")
    untold = desk.locator("tbody tr", has_not_text="not yet").locator("a").first.inner_text()
    find(desk, untold)
    expect(why(desk)).to_contain_text("excluded")
    return untold


def suppress_and_lift(desk: Page, address: str) -> None:
    follow(desk, "Suppressions")
    desk.get_by_text("Suppress an address").click()
    desk.get_by_label("Address to suppress").fill(address)
    desk.get_by_label("Reason", exact=True).fill("asked on the telephone")
    desk.get_by_role("button", name="Suppress", exact=True).click()
    expect(desk.locator("tbody")).to_contain_text(address)
    desk.get_by_role("link", name="Remove…").click()
    dialog = desk.locator("dialog[open]")
    dialog.get_by_label("Reason for the removal").fill("they changed their mind")
    dialog.get_by_role("button", name="Remove").click()
    expect(desk.get_by_text("No suppressed addresses")).to_be_visible()


def pause_and_resume(desk: Page) -> None:
    follow(desk, "Campaigns")
    row = desk.get_by_role("row").filter(has_text=TITLE)
    row.get_by_role("button", name=re.compile("^Pause")).click()
    row.get_by_role("button", name=re.compile("^Resume")).click()
    expect(row.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()


def look_at_every_page(desk: Page, pages: dict[str, str]) -> None:
    """Each has one heading, fits a phone, and keeps nobody out."""
    for width, where in ((1280, "desk"), (360, "phone")):
        desk.set_viewport_size({"width": width, "height": 800})
        for name, address in pages.items():
            desk.goto(address)
            expect(desk.locator("h1")).to_have_count(1)
            assert not scrolls_sideways(desk), f"{name} at {width} px"
            if width == 1280 or name in {"dashboard", "campaigns", "notifications"}:
                assert serious(desk) == [], f"{name} at {width} px"
            picture(desk, f"admin-{name}-{where}")


def follow(desk: Page, name: str) -> None:
    desk.get_by_role("navigation", name="Main menu").get_by_role("link", name=name, exact=True).click()
    expect(desk.locator("h1")).to_have_text(name)


def find(desk: Page, address: str) -> None:
    follow(desk, "People")
    desk.get_by_label("Email address").fill(address)
    desk.get_by_role("button", name="Search", exact=True).click()
    expect(desk.locator("h1")).to_have_text(address)


def why(desk: Page) -> Locator:
    return (
        desk.get_by_role("region", name="Campaigns: sent, scheduled or excluded")
        .get_by_role("row")
        .filter(has_text=TITLE)
    )
