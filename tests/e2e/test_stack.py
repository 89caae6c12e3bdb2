"""`./run up` for real: a person with a browser, emails that arrive although broker and worker are killed.

One file, because starting the stack is what takes time, and a file runs in one process.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from notifier.dev.ports import wait_until
from tests.support.browser import browser, page, picture, scrolls_sideways
from tests.support.family import member, members
from tests.support.up import Up, mails_to, sign_up

__all__ = ["browser"]

#: Five Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)


def someone() -> str:
    return f"{uuid4().hex[:10]}@example.com"


def assert_arrives_once(up: Up, address: str, seconds: float) -> None:
    """The mail is there in time, and no second one follows."""
    inbox = up.address("inbox")
    assert wait_until(lambda: bool(mails_to(inbox, address)), seconds, 0.05), up.says()[-3000:]
    time.sleep(1)
    assert len(mails_to(inbox, address)) == 1


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_signup_to_inbox(up: Up) -> None:
    address = someone()
    sign_up(up.address("web"), address)
    assert_arrives_once(up, address, 15)
    (mail,) = mails_to(up.address("inbox"), address)
    assert f"{up.address('web')}/verify/" in mail["Raw"]["Data"].replace("=\r\n", "").replace("=3D", "=")


def test_a_second_shell_reaches_the_stack(up: Up) -> None:
    # Addresses and secrets: other users of the machine can read nothing.
    assert up.data.stat().st_mode & 0o777 == 0o700
    assert [path for path in up.data.rglob("*") if path.stat().st_mode & 0o077] == []
    done = subprocess.run(
        up.command("health"), env=up.env(), cwd=up.data.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"broker +answers", done.stdout), done.stdout
    assert re.search(r"mail server +\S+ answers", done.stdout), done.stdout


def test_a_broker_that_hangs_slows_no_signup_and_costs_no_mail(up: Up) -> None:
    addresses = [someone() for _ in range(4)]
    with stopped(member(up.process.pid, "valkey")):
        for address in addresses:
            sign_up(up.address("web"), address)
    for address in addresses:
        assert_arrives_once(up, address, 15)


def test_a_broker_that_is_killed_costs_no_mail(up: Up) -> None:
    os.kill(member(up.process.pid, "valkey"), signal.SIGKILL)
    addresses = [someone() for _ in range(4)]
    for address in addresses:
        sign_up(up.address("web"), address)
    for address in addresses:
        assert_arrives_once(up, address, 15)


def test_a_worker_killed_between_claim_and_send_costs_time_and_makes_no_copy(up: Up) -> None:
    address = someone()
    worker = member(up.process.pid, "celery", "transactional")
    with stopped(member(up.process.pid, "notifier.dev.inbox")):
        sign_up(up.address("web"), address)
        time.sleep(1.5)  # it has claimed the row and waits for the mail server
        os.kill(worker, signal.SIGKILL)
        assert wait_until(lambda: set(members(up.process.pid, "celery", "transactional")) - {worker} != set(), 20, 0.1)
    assert_arrives_once(up, address, 60)


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


def test_an_email_comes_back(up: Up, browser: Browser) -> None:
    """By real LMTP, from the buttons of the inbox to the ledger."""
    for label, fate in {"Bounce: no such user": "550 5.1.1 User unknown", "Report as spam": "complained"}.items():
        address = someone()
        sign_up(up.address("web"), address)
        with page(browser, width=360) as person:
            open_the_mail(person, up, address)
            person.get_by_role("button", name=label).click()
            expect(person.get_by_role("status")).to_contain_text("and stored")
            to_admin = person.get_by_role("link", name="See what followed, in the admin")
            assert (to_admin.get_attribute("href") or "").startswith(f"{up.address('web')}/admin/notifications/")
            assert not scrolls_sideways(person)
        said = " ".join(up.run("why", address).split())
        assert fate in said
        assert "the address is suppressed" in said


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
