"""`./run example shop` for real: a person with a browser signs up, confirms, likes, orders, and reads the emails."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from notifier.dev.ports import wait_until
from notifier.dev.process import die_with_parent
from tests.support.browser import browser, page, picture, scrolls_sideways
from tests.support.family import descendants, is_alive
from tests.support.up import ROOT

__all__ = ["browser"]

#: Eight Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)


class Shop:
    """The example on free ports."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "output"
        command = [sys.executable, "-P", str(ROOT / "examples" / "shop" / "up.py"), "--data-dir", str(folder / "data")]
        ports = ["--web-port", "0", "--inbox-port", "0", "--smtp-port", "0", "--bounce-port", "0"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "SHIPPING_SECONDS": "1"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *ports], stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=env,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def says(self) -> str:
        return self.output.read_text()

    def wait_until_up(self) -> None:
        assert wait_until(lambda: "the shop is up" in self.says() or self.process.poll() is not None, 180, 0.2)
        assert self.process.poll() is None, self.says()

    def address(self, name: str) -> str:
        found = re.search(rf"(?m)^  {name} +(http://\S+)$", self.says())
        assert found, self.says()
        return found.group(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """It must stop with one signal, and leave nothing behind."""
    running = Shop(tmp_path_factory.mktemp("shop"))
    running.wait_until_up()
    yield running
    family = descendants(running.process.pid)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0, running.says()[-5000:]
    assert [pid for pid in family if is_alive(pid)] == []


def open_email(person: Page, shop: Shop, subject: str) -> None:
    """From the inbox's list, which finds new emails by itself, to the email."""
    person.goto(shop.address("inbox"))
    row = person.get_by_role("link").filter(has_text=subject).first
    expect(row).to_be_visible(timeout=30_000)
    row.click()
    expect(person.frame_locator("iframe").get_by_role("heading", level=1)).to_be_visible()
    picture(person, f"shop-{subject}")


def sign_up(person: Page, shop: Shop) -> None:
    person.goto(shop.address("shop"))
    picture(person, "shop-products")
    person.get_by_role("link", name="Create an account").click()
    person.get_by_label("First name").fill("Ada")
    person.get_by_label("Email address").fill("ada@example.com")
    person.get_by_label("Password").fill("correct horse")
    person.get_by_role("button", name="Create my account").click()
    expect(person.get_by_role("status")).to_contain_text("Welcome, Ada")


def test_from_sign_up_to_an_order_on_its_way(shop: Shop, browser: Browser) -> None:
    with page(browser) as person:
        sign_up(person, shop)

        open_email(person, shop, "Confirm your email address")
        with person.context.expect_page() as opened:
            person.frame_locator("iframe").get_by_role("link", name="Confirm my address").first.click()
        opened.value.get_by_role("button", name="Confirm my address").click()
        expect(opened.value.get_by_role("heading", level=1)).to_have_text("Your address is confirmed")
        person.goto(f"{shop.address('shop')}/account")
        expect(person.get_by_role("main")).to_contain_text("ada@example.com: confirmed on")

        person.goto(shop.address("shop"))
        person.get_by_role("link", name="Tea bowl").click()
        person.get_by_role("button", name="Like").click()
        expect(person.get_by_role("button", name="Liked")).to_be_visible()
        person.get_by_role("button", name="Put into the basket").click()
        person.get_by_role("button", name="Place the order").click()
        expect(person.get_by_role("heading", level=1)).to_have_text("Order 1")
        picture(person, "shop-order")

        open_email(person, shop, "Your order 1 is on its way")
        person.goto(shop.address("inbox"))
        person.get_by_role("link").filter(has_text="Your order 1").last.click()
        receipt = person.frame_locator("iframe")
        expect(receipt.get_by_role("heading", level=1)).to_have_text("Thank you for your order")
        expect(receipt.locator("body")).to_contain_text("Tea bowl")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_of_the_window(shop: Shop, browser: Browser, width: int) -> None:
    with page(browser, width=width) as person:
        for path in ("/", "/products/1", "/sign-up", "/sign-in", "/basket"):
            person.goto(shop.address("shop") + path)
            assert not scrolls_sideways(person), path
            assert person.get_by_role("heading", level=1).count() == 1


def test_the_admin_of_the_shop_opens_the_admin_of_the_emails(shop: Shop, browser: Browser) -> None:
    found = re.search(r"The shop's admin is (\S+), with the password (\S+)", shop.says())
    assert found
    with page(browser) as person:
        person.goto(f"{shop.address('shop')}/sign-in")
        person.get_by_label("Email address").fill(found[1])
        person.get_by_label("Password").fill(found[2])
        person.get_by_role("button", name="Sign in").click()
        person.get_by_role("link", name="Admin").click()
        person.get_by_role("link", name="Emails").click()
        person.get_by_role("link", name="Campaigns").first.click()
        expect(person.get_by_role("main")).to_contain_text("No order for 60 days")
        picture(person, "shop-campaigns")
