"""An email as a receiver reads it: what our own code never builds must be named all the same."""

from dataclasses import replace
from typing import Any

import pytest

from notifier.doctor import emails
from notifier.doctor.parsed import problems_of
from notifier.emails import KINDS
from notifier.mail.message import build, subscription_headers
from notifier.testing.settings import make_settings
from tests.mail.test_message import PLAIN, URL

GOOD = build(PLAIN)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"\r\nDate: ", b"\r\nX-Date: ", "Date occurs 0 times instead of once"),
        (b"\r\nSubject: ", b"\r\nSubject: Hi\r\nSubject: ", "Subject occurs 2 times instead of once"),
        (b"\r\nTo: ", b"\r\nReply-To: a@b.example\r\nReply-To: c@b.example\r\nTo: ", "Reply-To occurs more than once"),
        (b"From: Notifier <hello@notifier.example>", b"From: a@b.example, c@b.example", "From is not one mailbox"),
        (b"From: Notifier <hello@notifier.example>", b"From: Notifier", "From is not one mailbox"),
        (b"Fri, 20 Nov 2026", b"yesterday", "Date is not a date"),
        (b"<n1.abc@notifier.example>", b"n1.abc", "Message-ID is not of the form <left@right>"),
        (b"Hello Ada", b"Hello\nAda", "a line does not end in CRLF"),
        (b"Hello Ada", b"x" * 999, "a line has 999 octets, more than 998"),
        (b"Hello Ada", "Gr\u00fc\u00dfe".encode(), "it is not 7-bit"),
        (b"text/html", b"text/plain", "it has no text/html part with content"),
        (b"boundary=", b"limit=", "multipart/alternative: NoBoundaryInMultipartDefect"),
    ],
)
def test_what_breaks_the_standards_is_named(old: bytes, new: bytes, problem: str) -> None:
    assert list(problems_of(GOOD, smtputf8=False)) == []
    assert old in GOOD
    assert problem in list(problems_of(GOOD.replace(old, new, 1), smtputf8=False))


class Signer:
    """Signs a few fields, and none of them twice."""

    domain = "notifier.example"

    def sign(self, data: bytes) -> bytes:
        return b"DKIM-Signature: v=1; h=from : to : subject :\r\n date; bh=x; b=y\r\n" + data


def lines(headers: tuple[tuple[str, str], ...], signer: Any) -> list[tuple[str, str]]:
    """The rules that complain about a campaign's email with these headers, and what they say."""
    text = f"Hello\n{URL}\n"
    message = replace(PLAIN, headers=headers, text=text, html=f"<a href='{URL}'>Hello</a>")
    specimen = emails.Specimen("Email", KINDS["announcement"], message, build(message))
    sender = emails.EmailSettings(make_settings(), {"smtp": signer})
    return [(line.rule.code, line.detail) for line in emails.check(specimen, sender)]


def test_fields_that_are_not_oversigned_are_named() -> None:
    ((rule, said),) = lines(subscription_headers(URL, "x.notifier.example", "1:a:b:c"), Signer())
    assert rule == "dkim.fields"
    for name in ("from", "list-unsubscribe", "list-unsubscribe-post", "reply-to", "content-type"):
        assert f" {name}," in f"{said},", said


def test_a_campaign_without_one_click_headers_is_named() -> None:
    found = lines((), None)
    assert found[0] == ("one-click.headers", "has no one-click unsubscribe headers")
