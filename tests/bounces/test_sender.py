"""Reports that name our own sender: what a server says about it is about us, not about the recipient."""

import pytest

from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import Reason, Verdict

RETURNED = "\n--- Below this line is a copy of the message.\n\nReturn-Path: <{0}>\nFrom: Shop\n <{0}>\nSubject: x\n"


def report(words: str, *, to: str = "bounces@mail.example", sent_by: str = "orders@shop.example") -> Report:
    """Read a report without fields that returns an email."""
    head = f"From: MAILER-DAEMON@mx.example.net\nTo: {to}\nSubject: Undelivered Mail Returned to Sender\n"
    return read(f"{head}\n{words}\n{RETURNED.format(sent_by)}".encode())


def replied(said: str) -> str:
    return f"<user@example.net>: host mx.example.net[192.0.2.1] said: {said}"


@pytest.mark.parametrize(
    "named", ["orders@shop.example", "ORDERS@Shop.example", "other@shop.example", "x@mail.example"]
)
def test_a_server_that_does_not_know_our_sender_says_nothing_about_the_recipient(named: str) -> None:
    found = report(replied(f"550 5.1.1 <{named}>: User unknown"))
    assert (found.verdict, found.reason) == (Verdict.SOFT, Reason.SENDER_REFUSED)


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <user@example.net>: User unknown",
        "550 5.1.1 <inner@backend.example>: User unknown",
        "550 5.1.1 User unknown (from orders@shop.example to user@example.net)",
        "550 5.1.1 User unknown, write to postmaster@shop.example",
    ],
)
def test_a_server_that_names_others_too_means_the_recipient(said: str) -> None:
    assert report(replied(said)).reason is Reason.USER_UNKNOWN


def test_a_colleague_at_our_own_domain_is_a_recipient() -> None:
    dead = "<user@shop.example>: host mx.shop.example[192.0.2.1] said: 550 5.1.1 <user@shop.example>: User unknown"
    assert report(dead).reason is Reason.USER_UNKNOWN
    internal = dead.replace("550 5.1.1 <user@", "550 5.1.1 <inner@")
    assert report(internal).reason is Reason.USER_UNKNOWN
    assert report(internal.replace("<inner@", "<orders@")).reason is Reason.SENDER_REFUSED


def test_who_writes_to_themselves_is_a_recipient() -> None:
    words = "<user@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1 <user@example.net>: User unknown"
    found = report(words, sent_by="user@example.net")
    assert found.reason is Reason.USER_UNKNOWN


def test_a_report_for_people_may_greet_the_sender() -> None:
    found = report("Dear orders@shop.example,\nthe mailbox you wrote to does not exist.\n\nuser@example.net")
    assert found.reason is Reason.USER_UNKNOWN
    assert found.recipients == ("user@example.net",)


def test_our_sender_is_no_recipient_beside_another() -> None:
    assert report("user@example.net\norders@shop.example\n\nNo such user.").recipients == ("user@example.net",)
    assert report("orders@shop.example\n\nNo such user.").recipients == ("orders@shop.example",)
