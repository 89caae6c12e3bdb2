"""The bytes of a mail: parsed by the stdlib they are what was put in, and nothing else."""

import email
import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from notifier.mail.header_fields import UnsafeHeader
from notifier.mail.header_text import clean_text
from notifier.mail.message import Message, MessageError, build, subscription_headers
from notifier.mail.mime import quoted_printable
from notifier.testing.settings import make_settings
from tests.support import webhooks

DATA = Path(__file__).resolve().parent.parent / "data"
HEADER_CASES = json.loads((DATA / "header_text.json").read_text())
BODY_CASES = [case for case in json.loads((DATA / "smtp_cap.json").read_text()) if "body" in case]
OURS = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "Content-Type"}
PLAIN = Message(
    sender_name="Notifier",
    sender_address="hello@notifier.example",
    recipient="ada@example.com",
    subject="Hello",
    text="Hello Ada\n",
    html="<p>Hello Ada</p>\n",
    message_id="<n1.abc@notifier.example>",
    date=datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC),
    envelope_sender="b+1.x@notifier.example",
)
URL = "https://app.example.com/unsubscribe/" + "t" * 114


def parsed(message: Message) -> EmailMessage:
    """The mail as the stdlib reads it, after everything was checked that must hold for any mail."""
    data = build(message)
    assert data.isascii() or message.smtputf8
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.endswith(b"--\r\n")
    # As text: the parser for bytes does not know RFC 6532.
    mail = email.message_from_string(data.decode(), policy=default)
    assert isinstance(mail, EmailMessage)
    assert not [part.defects for part in mail.walk() if part.defects]
    extra = {name for name, _ in message.headers} | ({"Reply-To"} if message.reply_to else set())
    extra |= {"X-Notifier-Id", *message.id_headers} if message.notifier_id else set()
    assert sorted(mail.keys()) == sorted(OURS | extra)
    assert [box.addr_spec for box in mail["From"].addresses] == [message.sender_address]
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in mail.iter_parts()} == {"quoted-printable"}
    assert {part.get_content_charset() for part in mail.iter_parts()} == {"utf-8"}
    return mail


def bodies(mail: EmailMessage) -> list[str]:
    return [part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in mail.iter_parts()]


def test_a_plain_mail_to_the_letter() -> None:
    head, _, body = build(PLAIN).partition(b"\r\n\r\n")
    boundary = re.search(rb'boundary="([^"]+)"', head)
    assert boundary is not None
    assert head.split(b"\r\n") == [
        b"From: Notifier <hello@notifier.example>",
        b"To: ada@example.com",
        b"Subject: Hello",
        b"Date: Fri, 20 Nov 2026 12:00:05 +0000",
        b"Message-ID: <n1.abc@notifier.example>",
        b"MIME-Version: 1.0",
        b"Auto-Submitted: auto-generated",
        b'Content-Type: multipart/alternative; boundary="' + boundary[1] + b'"',
    ]
    part = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s\r\n--%s"
    text = part % (b"plain", b"Hello Ada\r\n", boundary[1])
    html = part % (b"html", b"<p>Hello Ada</p>\r\n", boundary[1])
    assert body == b"--" + boundary[1] + b"\r\n" + text + b"\r\n" + html + b"--\r\n"


def test_the_same_message_is_the_same_bytes_and_another_one_has_another_boundary() -> None:
    assert build(PLAIN) == build(replace(PLAIN))
    other = parsed(replace(PLAIN, message_id="<n2.abc@notifier.example>"))
    assert other.get_boundary() != parsed(PLAIN).get_boundary()


@pytest.mark.parametrize("case", HEADER_CASES, ids=[case["id"] for case in HEADER_CASES])
def test_header_corpus(case: dict[str, Any]) -> None:
    text = case["input"]
    neutral = clean_text(text, 64 if case["field"].endswith("name") else 200)
    match case["field"]:
        case "subject" | "campaign_name":
            seen = str(parsed(replace(PLAIN, subject=text))["Subject"])
            neutral = clean_text(text, 200)
        case "display_name":
            seen = parsed(replace(PLAIN, recipient_name=text))["To"].addresses[0].display_name
        case "from_name":
            seen = parsed(replace(PLAIN, sender_name=text))["From"].addresses[0].display_name
        case "reply_to_name":
            mail = parsed(replace(PLAIN, reply_to="help@example.com", reply_to_name=text))
            seen = mail["Reply-To"].addresses[0].display_name
        case "header_value":
            with pytest.raises(UnsafeHeader):
                build(replace(PLAIN, headers=(("List-ID", text),)))
            return
        case _:
            with pytest.raises(UnsafeHeader):
                build(replace(PLAIN, headers=((text, "x"),)))
            return
    assert seen == neutral
    assert "=?" not in seen
    if case["decoded"] is not None:
        assert seen == clean_text(case["decoded"], 200)
    if case["expect"] == "literal" and "=?" not in text:
        assert seen == clean_text(text, 200)


@pytest.mark.parametrize("case", BODY_CASES, ids=[case["id"] for case in BODY_CASES])
def test_body_corpus(case: dict[str, Any]) -> None:
    assert bodies(parsed(replace(PLAIN, text=case["body"], html=case["body"]))) == [case["body"]] * 2


@pytest.mark.parametrize(
    "body",
    ["x", "x\n", "\nx", "x\n\n\n", "x ", "x \n", "x\t\n y", ".", ".\n", "\n.\n..\n", "From me\nFrom you", "--\n-- \n-",
     "=\n==\n=3D", "a" * 75, "a" * 76, "a" * 77, "é" * 12, "é" * 13 + "\n", ("a" * 74 + "=") * 3,
     "x" * 20_000, "\x00\x0b\x0c\x1f\x7f",
     "日本語" * 500, "\U0001f600\u2028\u0085\ufeff", "=_", "a  " * 60, "\t" * 100,
     *["a" * length + blank + "\nb " for length in range(70, 80) for blank in (" ", "\t", "é ", "= ")]],
)  # fmt: skip
def test_a_body_comes_back_as_it_went_in(body: str) -> None:
    if body.strip():
        assert bodies(parsed(replace(PLAIN, text=body))) == [body, PLAIN.html]
    assert bodies(parsed(replace(PLAIN, html=body))) == [PLAIN.text, body]
    assert max(map(len, quoted_printable(body).split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t](\r\n|\Z)", quoted_printable(body))


def test_line_ends_are_crlf_whatever_they_were_and_surrogates_become_question_marks() -> None:
    assert bodies(parsed(replace(PLAIN, text="a\r\nb\rc\nd"))) == ["a\nb\nc\nd", PLAIN.html]
    assert bodies(parsed(replace(PLAIN, text="a\ud800b"))) == ["a?b", PLAIN.html]


def test_random_mails() -> None:
    dice = random.Random(2045)
    pool = [
        *"=?=._-> \t\n\n\r<>&\"'aZ0é日",
        "\ud800",
        "\x00",
        "\u2028",
        "\U0001f600",
        "--=_",
        "x" * 77,
        "\r\nBcc: x@y",
    ]

    def text() -> str:
        return "".join(dice.choices(pool, k=dice.randint(0, 60)))

    for number in range(60):
        message = replace(
            PLAIN,
            sender_name=text(),
            recipient_name=text(),
            subject=text(),
            text=f"x{text()}",
            html=text(),
            reply_to="help@example.com",
            reply_to_name=text(),
            message_id=f"<n{number}.abc@notifier.example>",
        )
        mail = parsed(message)
        assert str(mail["Subject"]) == clean_text(message.subject, 200)
        assert [box.addr_spec for box in mail["To"].addresses] == ["ada@example.com"]
        for body, given in zip(bodies(mail), (message.text, message.html), strict=True):
            assert body == given.replace("\r\n", "\n").replace("\r", "\n").replace("\ud800", "?")


def test_subscription_mail_can_be_left_with_one_click() -> None:
    extra = subscription_headers(URL, "monthly.notifier.example", "7:monthly_report:notifier:sender")
    data = build(replace(PLAIN, headers=extra))
    assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in data
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data
    assert b"\r\nList-ID: <monthly.notifier.example>\r\n" in data
    assert b"\r\nFeedback-ID: 7:monthly_report:notifier:sender\r\n" in data
    assert parsed(replace(PLAIN, headers=extra))["List-Unsubscribe"] == f"<{URL}>"


@pytest.mark.parametrize("name", ["Ada", "Zo\u00eb"], ids=["a plain header", "an encoded header"])
def test_the_id_is_a_header_of_its_own(name: str) -> None:
    mail = parsed(replace(PLAIN, notifier_id="12.zs6qgw76nnyxwfvp", recipient_name=name))
    assert mail["X-Notifier-Id"] == "12.zs6qgw76nnyxwfvp"


@pytest.mark.parametrize("name", ["Ada", "Zo\u00eb"], ids=["a plain header", "an encoded header"])
def test_providers_get_the_id_in_headers_that_they_repeat(name: str) -> None:
    settings = make_settings(**webhooks.settings())
    own = "12.zs6qgw76nnyxwfvp"
    mail = parsed(replace(PLAIN, notifier_id=own, id_headers=settings.id_headers, recipient_name=name))
    names = ("X-Notifier-Id", "X-PM-Metadata-notifier-id", "X-Mailin-custom", "X-MJ-CustomID")
    assert {name: mail[name] for name in names} == dict.fromkeys(names, own)
    assert make_settings().id_headers == ()
    assert "X-MJ-CustomID" not in parsed(replace(PLAIN, id_headers=settings.id_headers))


def test_a_local_part_beyond_ascii_goes_as_utf_8() -> None:
    message = replace(PLAIN, recipient="jörg@example.com", recipient_name="Jörg")
    assert message.smtputf8
    assert b"To: =?utf-8?q?J=C3=B6rg?= <j\xc3\xb6rg@example.com>\r\n" in build(message)
    assert [box.addr_spec for box in parsed(message)["To"].addresses] == ["jörg@example.com"]


@pytest.mark.parametrize("hours", [-12, 0, 2, 14])
def test_the_date_is_utc(hours: int) -> None:
    local = PLAIN.date.astimezone(timezone(timedelta(hours=hours)))
    assert b"\r\nDate: Fri, 20 Nov 2026 12:00:05 +0000\r\n" in build(replace(PLAIN, date=local))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"text": ""}, MessageError),
        ({"text": " \n\t"}, MessageError),
        ({"date": datetime(2026, 1, 1)}, MessageError),  # noqa: DTZ001 - that is the test
        ({"message_id": "n1@notifier.example"}, MessageError),
        ({"message_id": "<n1@notifier.example>\r\nBcc: x@example.org"}, MessageError),
        ({"message_id": "<ü@notifier.example>"}, MessageError),
        ({"recipient": "a@example.com, b@example.com"}, UnsafeHeader),
        ({"recipient": "a@example.com\r\nBcc: b@example.com"}, UnsafeHeader),
        ({"sender_address": "a b@example.com"}, UnsafeHeader),
        ({"reply_to": "Help <help@example.com>"}, UnsafeHeader),
        ({"headers": (("Bcc", "b@example.com"),)}, UnsafeHeader),
        ({"headers": (("Subject", "again"),)}, UnsafeHeader),
        ({"notifier_id": "1.abc", "id_headers": ("X-Custom",)}, UnsafeHeader),
        ({"notifier_id": "1.abc\r\nBcc: x@example.org"}, UnsafeHeader),
        ({"headers": (("X-Notifier-Id", "1.abc"),), "notifier_id": "1.abc"}, UnsafeHeader),
        ({"headers": (("X-Entity-Ref-ID", "1"),)}, UnsafeHeader),
        ({"headers": (("List-ID", "<a>"), ("List-Id", "<b>"))}, UnsafeHeader),
        ({"headers": (("List-Unsubscribe", f"<{URL}é>"),)}, UnsafeHeader),
    ],
)
def test_what_must_not_leave_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        build(replace(PLAIN, **change))
