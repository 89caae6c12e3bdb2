"""Typos of well-known domains are recognised, and no other domain is taken for one."""

import pytest

from notifier.mail.providers import PROVIDERS
from notifier.mail.typos import _MEANT, suggestion


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ada@gmial.com", "ada@gmail.com"), ("ada@gmai.com", "ada@gmail.com"), ("ada@gmaill.com", "ada@gmail.com"),
        ("Ada.B+x@GMAIL.CON", "Ada.B+x@gmail.com"), ("ada@gmail.co", "ada@gmail.com"),
        ("a@hotmial.com", "a@hotmail.com"),
        ("a@outlok.com", "a@outlook.com"), ("a@yaho.com", "a@yahoo.com"), ("a@iclod.com", "a@icloud.com"),
        ("a@gmx.dee", "a@gmx.de"), (" a@gmial.com ", "a@gmail.com"), ('"a@b"@gmial.com', '"a@b"@gmail.com'),
    ],
)  # fmt: skip
def test_a_typo_is_recognised(typed: str, meant: str) -> None:
    assert suggestion(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "ada@gmail.com", "ada@mail.com", "ada@email.com", "ada@ymail.com", "ada@gmx.at", "ada@example.com",
        "ada@app.test",
        "gmial.com", "@gmial.com", "ada@", "", "ada@wet.de", "ada@gmu.de", "ada@gmial.com.example.org", "ada@\0",
    ],
)  # fmt: skip
def test_other_domains_are_left_alone(typed: str) -> None:
    assert suggestion(typed) is None


def test_no_domain_of_a_provider_is_a_typo_of_another() -> None:
    domains = {*_MEANT, *(domain for each in PROVIDERS.values() for domain in each.domains)}
    assert [domain for domain in domains if suggestion(f"a@{domain}")] == []
