"""Signing in redirects to a page of this site, for any value of `next`."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask

from notifier.admin.access import returning
from notifier.testing.operators import SIGN_IN, Desk

CASES = json.loads((Path(__file__).parent.parent / "data" / "redirect.json").read_text())
PAGE = "http://notifier.test/admin/sign-in"


def as_a_browser_reads(target: str) -> str:
    """As the WHATWG parser: without tabs, line breaks and outer controls; a backslash is a slash."""
    trimmed = target.strip("".join(map(chr, range(33))))
    plain = "".join(char for char in trimmed if char not in "\t\r\n").replace("\\", "/")
    scheme = plain.partition(":")[0].lower()
    if scheme in {"http", "https"} and ":" in plain:
        rest = plain.partition(":")[2].lstrip("/")
        return f"{scheme}://{rest}"
    if plain.startswith("//"):
        return "http://" + plain.lstrip("/")
    return urljoin(PAGE, plain)


def test_next_stays_with_us(app: Flask, make_operator: Callable[..., int]) -> None:
    """redirect.json"""
    make_operator()
    for case in CASES:
        desk, wish = Desk(app), quote(case["input"])
        assert desk.get(f"{SIGN_IN}?next={wish}&url={wish}").status_code == 200
        answers = [desk.sign_in(next=case["input"]), desk.get(f"{SIGN_IN}?next={wish}")]
        assert [answer.status_code for answer in answers] == [303, 302], case["id"]
        for location in (answer.location or "" for answer in answers):
            assert not set("\r\n\t\\") & set(location), case["id"]
            where = urlsplit(as_a_browser_reads(location))
            assert (where.scheme, where.netloc) == ("http", "notifier.test"), case["id"]
            assert case["expect"] != "followed" or location.endswith(case["input"])


@pytest.mark.parametrize(
    "target", ["/admin/people/?email=a%40b.com", "/admin/notifications/12/", "/", "/admin/?days=30", "/signup"]
)
def test_our_own_pages_are_followed(target: str) -> None:
    assert returning.local(target) == target


ELSEWHERE = ["", "x", "//x", "/\\x", "/a//b", "/../x", "/a/./b", "/%2f%2fx", "/a%0d%0ab", "/%5cevil", "/é", "?\nx"]


@pytest.mark.parametrize("target", [*ELSEWHERE, "/admin/" + "a" * 3000, "/admin/#//x", "/a b"])
def test_anything_else_leads_home(target: str) -> None:
    assert returning.local(target) == returning.HOME
