"""The ids that mail servers give emails, as their replies to the final dot have them."""

import pytest

from notifier.smtp.outcome import MAX_TEXT
from notifier.smtp.replies import parse_reply
from notifier.smtp.server_ids import MAX_ID, server_id

UUID = "0a129aee-e1cd-480d-b08d-4f48548ff48d"
SES = "0100018d5b2c3d4e-1a2b3c4d-5e6f-7081-92a3-b4c5d6e7f809-000000"

BREVO = "202611291234.1234567@relay.provider.example"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("250 2.0.0 Ok: queued as 4F2AB12345", "4F2AB12345"),  # Postfix
        ("250 2.0.0 Ok: queued as 4bQxZs3yVhz1wKp", "4bQxZs3yVhz1wKp"),  # Postfix, enable_long_queue_ids
        ("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9C1D2F", "9C1D2F"),  # Amavis
        ("250 OK id=1rUabc-00AB12-3c", "1rUabc-00AB12-3c"),  # Exim
        ("250 OK id=1rUabc-0000000AB12-3cDe", "1rUabc-0000000AB12-3cDe"),  # Exim 4.97
        ("250 2.0.0 41SAbCdE012345 Message accepted for delivery", "41SAbCdE012345"),  # Sendmail
        ("250 2.0.0 3v1abcde2f-1 Message accepted for delivery", "3v1abcde2f-1"),  # Proofpoint
        ("250 2.0.0 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),  # OpenSMTPD
        (
            "250 2.6.0 <n7.mazpfpqh4mxhkcnt@notifier.example> [InternalId=35433480192, Hostname=EX01.example.com] "
            "8712 bytes in 0.123, 69.1 KB/sec Queued mail for delivery",
            "35433480192",
        ),  # Exchange
        ("250 2.6.0 <n7.mazpfpqh4mxhkcnt@notifier.example> [InternalId=4711] Queued mail for delivery", "4711"),
        (
            "250 2.0.0 OK  1706541234 d9443c01a7336-1d8ab1cd2e3si1234567plg.123 - gsmtp",
            "d9443c01a7336-1d8ab1cd2e3si1234567plg.123",
        ),  # Gmail
        (f"250 Ok {SES}", SES),  # Amazon SES
        ("250 Ok: queued as jYl3ZWjOSbSHSAmFzCWjIw", "jYl3ZWjOSbSHSAmFzCWjIw"),  # SendGrid
        (f"250 2.0.0 Ok: queued as {UUID}", UUID),  # Postmark
        (f"250 Ok {UUID}", UUID),  # Resend
        (f"250 2.0.0 OK: queued as <{BREVO}>", BREVO),  # Brevo
        (f"250 OK queued as {UUID}", UUID),  # Mailjet
        ("250 2.0.0 OK 8A/B1-12345-ABCDEF12", "8A/B1-12345-ABCDEF12"),  # SparkPost, Momentum
        ("250 ok 1706541234 qp 12345", "1706541234 qp 12345"),  # qmail
        (f"250 Message Queued ({UUID.upper()}.1)", f"{UUID.upper()}.1"),  # Haraka
        ("250 OK ids=8a5475ccbbc611eda12250ebf67f93bd", "8a5475ccbbc611eda12250ebf67f93bd"),  # KumoMTA
        ("250 2.0.0 Message queued with id 1a2b3c4d5e6f.", "1a2b3c4d5e6f"),  # Stalwart
        ("250 2.6.0 8712 bytes received in 00:00:00; Message id ABC123456789 accepted for delivery", "ABC123456789"),
        ("250 SmtpThread-1-2-1@eu-smtp-1.mimecast.com Received OK [abcDEF12345678.uk1]", "abcDEF12345678.uk1"),
        ("250 ok:  Message 12345678 accepted", "12345678"),  # Cisco Secure Email
        ("250 2.5.0 Ok, envelope id 0M1200D5AABBCC00@mail.example.com", "0M1200D5AABBCC00@mail.example.com"),  # Oracle
        ("250 Requested mail action okay, completed: id=0LrABC-1aBcDe0fgH-012345", "0LrABC-1aBcDe0fgH-012345"),  # GMX
        ("250 2.0.0 Ok: queued on myt5-1a.mail.yandex.net 1706541234-AbCdEfGhI0", "1706541234-AbCdEfGhI0"),  # Yandex
        ("250 2.0.0 Ok: queued on vla1-2b.mail.yandex.net as 1706541234-XyZ", "1706541234-XyZ"),
        ("250-2.0.0 first line\r\n250 2.0.0 Ok: queued as 4F2AB12345", "4F2AB12345"),
        # Servers that give no id, and words that stand where others have one.
        ("250 OK", None), ("250 2.0.0 OK", None), ("250", None), ("250 Great success", None),
        ("250 ok dirdel", None), ("250 OK , completed", None), ("250 Queued (0.123 seconds)", None),
        ("250 2.6.0 message received", None), ("250 Message accepted for delivery", None),
        ("250 2.6.0 <n7.mazpfpqh4mxhkcnt@notifier.example> Queued mail for delivery", None),
        ("250 2.0.0 Ok: queued as", None), ("250 Ok thank you", None), ("250 Ok queued as <>", None),
        ("250 2.0.0 Ok: queued as <recipient>", None), ("250 OK id=\u00fc\u00fc\u00fc\u00fc", None),
        ("250 2.0.0 Ok: queued as " + "A" * (MAX_ID + 1), None),
    ],
)  # fmt: skip
def test_the_id_in_the_reply_of_a_server(reply: str, expected: str | None) -> None:
    assert server_id(parse_reply(reply.encode()).text) == expected


@pytest.mark.parametrize("text", ["queued as " * 50, "ok " + "1" * 500, "a1" * 250, "ok: " + "a.1-" * 125])
def test_a_hostile_reply_gives_an_id_of_bounded_length_or_none(text: str) -> None:
    found = server_id(text[:MAX_TEXT])
    assert found is None or (len(found) <= MAX_ID and found.isascii() and found.isprintable())
