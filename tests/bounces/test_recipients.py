"""The recipients of a report: out of its words, in any script, and out of its fields."""

import pytest

from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import Kind, Reason, Verdict


def words(text: str) -> Report:
    """Read a report without fields."""
    head = (
        "From: MAILER-DAEMON@mx.example.net\nTo: bounces@shop.example\nSubject: Undelivered Mail Returned to Sender\n"
    )
    return read(f"{head}\n{text}\n".encode())


def fields(recipient: str, action: str, rest: str = "") -> Report:
    """Read a report with fields about one recipient."""
    head = (
        "From: MAILER-DAEMON@mx.example.net\nContent-Type: multipart/report; report-type=delivery-status; boundary=B\n"
    )
    block = f"Final-Recipient: {recipient}\nAction: {action}\n{rest}"
    return read(
        f"{head}\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n{block}\n--B--\n".encode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "收件人\uff1auser@example.net",
        "收件人邮件地址\uff08user@example.net\uff09不存在\uff0c邮件无法送达。",
        "收件人user@example.net不存在",
        "あて先「user@example.net」が見つかりません。",
        "받는 사람 user@example.net을 찾을 수 없습니다",
        "\uff1cuser@example.net\uff1e\uff1a不存在",
        "user@example.net\uff1a不存在",
        "user@example.net\uff0c不存在",
        "Nie ma takiego adresu: „user@example.net”.",
        "«user@example.net» не найден",
        "'user@example.net' was not found",
        "user@example.net.",
    ],
)
def test_no_other_script_is_part_of_an_address_in_words(text: str) -> None:
    assert words(text).recipients == ("user@example.net",)


def test_no_part_of_a_local_part_with_letters_is_an_address() -> None:
    assert words("jörg@example.net does not exist").recipients == ()
    assert fields("utf-8; jörg@example.net", "failed").recipients == ("jörg@example.net",)


def test_a_domain_with_letters_is_read_in_words() -> None:
    assert words("user@bücher.example does not exist").recipients == ("user@bücher.example",)


@pytest.mark.parametrize(
    ("action", "kind", "verdict", "reason"),
    [
        ("delivered (to mailbox)", Kind.OTHER, Verdict.NONE, Reason.DELIVERED),
        ("Relayed (to non-DSN-aware mailer)", Kind.OTHER, Verdict.NONE, Reason.DELIVERED),
        ("(list) expanded", Kind.OTHER, Verdict.NONE, Reason.DELIVERED),
        ("delayed (still trying)", Kind.BOUNCE, Verdict.NONE, Reason.DELAYED),
        ("failed (delivered nowhere)", Kind.BOUNCE, Verdict.HARD, Reason.USER_UNKNOWN),
    ],
)
def test_comments_in_an_action_mean_nothing(action: str, kind: Kind, verdict: Verdict, reason: Reason) -> None:
    found = fields("rfc822; user@example.net", action, "Diagnostic-Code: smtp; 550 5.1.1 No such user\n")
    assert (found.kind, found.verdict, found.reason) == (kind, verdict, reason)


def test_an_address_that_is_folded_is_whole() -> None:
    assert fields("rfc822; a.user.with.a.long.name@exam\n ple.net", "failed").recipients == (
        "a.user.with.a.long.name@example.net",
    )
