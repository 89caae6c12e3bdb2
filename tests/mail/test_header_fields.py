"""Header fields as bytes: what a reader decodes is what was neutralised; what is unsafe never passes the gate."""

import email
import random
import re
from email.header import decode_header, make_header
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest

from notifier.mail.header_check import verify_header_block
from notifier.mail.header_fields import UnsafeHeader, encode_header_text, encode_mailbox, verbatim_field
from notifier.mail.header_text import NAME_LIMIT, clean_text

BLOCK = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: Hi\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)
POOL = [
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA1)), *"=?utf-8?q?b?=0D=0A?=", *"aZ09 .,:;<>()[]@\\\"'_%&{}",
    "\u2028", "\u202e", "\u200b", "\u200d", "\ud800", "\udfff", "\U000e0041", "é", "e\u0301", "日", "ש", "\U0001f600",
    "\r\nBcc: x@example.org", "=?utf-8?q?Hi=0D=0ABcc:_x?=", "=?utf-8?b?DQpCY2M6IHg=?=", " ", "  ", "x" * 80, "é" * 30,
]  # fmt: skip


def decoded(name: str, field: bytes) -> Any:
    return email.message_from_bytes(field + b"\r\n", policy=default)[name]


def check_lines(field: bytes, soft: bool = True) -> None:
    assert field.endswith(b"\r\n")
    assert field.isascii()
    lines = field[:-2].split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert all(line[:1] == b" " and line.strip() for line in lines[1:])
    assert max(map(len, lines)) <= (78 if soft else 998)
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?[qb]\?[^? ]*\?=", field))


TEXTS = [
    "Hi", "O'Brien & Co", "AT&T <3 O'Brien", "Café", "日本語の件名" * 12, "שלום עולם", "a  b", "x" * 200, "word " * 39,
    "x" * 69, "x" * 70, "x" * 71, ("y" * 65 + " ") * 3, "é" * 200, "\U0001f600" * 50, "ends with ?=", "a_b=c?d é",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467", "tab\there",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_subject_is_read_as_it_was_neutralised(text: str) -> None:
    field = encode_header_text("Subject", text)
    check_lines(field)
    assert str(decoded("Subject", field)) == clean_text(text, 200)


def test_a_long_plain_name_is_cut_like_any_other() -> None:
    for name in (("ab " * 30).strip(), "x" * 65, "x" * 200, *("y" * length for length in range(60, 72))):
        field = b"To: " + encode_mailbox(name, "ada@example.com", offset=4) + b"\r\n"
        check_lines(field)
        assert decoded("To", field).addresses[0].display_name == clean_text(name, NAME_LIMIT)


def test_plain_text_stays_plain() -> None:
    assert encode_header_text("Subject", "O'Brien & Co: 100 %") == b"Subject: O'Brien & Co: 100 %\r\n"
    assert encode_header_text("Subject", "") == b"Subject: \r\n"
    assert encode_header_text("Subject", "Café") == b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Ada", b"Ada <a@example.com>"),
        ("Ada  B", b'"Ada  B" <a@example.com>'),
        ("Acme, Inc.", b'"Acme, Inc." <a@example.com>'),
        ('Acme "A" (x) <b>', b'"Acme \\"A\\" (x) <b>" <a@example.com>'),
        ("back\\slash", b'"back\\\\slash" <a@example.com>'),
        ("evil@example.org", b'"evil@example.org" <a@example.com>'),
        ("Zoë", b"=?utf-8?q?Zo=C3=AB?= <a@example.com>"),
        ("", b"a@example.com"),
        ("\u200b", b"a@example.com"),
    ],
)
def test_mailbox(name: str, value: bytes) -> None:
    assert encode_mailbox(name, "a@example.com") == value


@pytest.mark.parametrize(
    "address",
    ["", "a", "@example.com", "a@", "a b@example.com", "a@example.com>", "a@example.com\r\nBcc: x", "a,b@example.com",
     '"a"@example.com', "a@exam ple.com", "a@bücher.com", "a\u2028@example.com", "a\x85@example.com", "<a@example.com>",
     "a\u202e@example.com", "a@example.com,b@example.com", "a" * 320 + "@example.com"],
)  # fmt: skip
def test_an_address_that_could_break_the_field_is_refused(address: str) -> None:
    with pytest.raises(UnsafeHeader):
        encode_mailbox("Ada", address)


def test_an_address_beyond_ascii_is_utf_8_and_never_an_encoded_word() -> None:
    assert encode_mailbox("Jörg", "jörg@example.com") == b"=?utf-8?q?J=C3=B6rg?= <j\xc3\xb6rg@example.com>"


def test_any_text_in_a_subject() -> None:
    dice = random.Random(5322)
    for _ in range(600):
        text = "".join(dice.choices(POOL, k=dice.randint(0, 40)))
        field = encode_header_text("Subject", text)
        check_lines(field)
        verify_header_block(BLOCK.replace(b"Subject: Hi\r\n", field))
        assert str(decoded("Subject", field)) == clean_text(text, 200)


def test_any_text_in_a_name() -> None:
    dice = random.Random(6854)
    for _ in range(600):
        name = "".join(dice.choices(POOL, k=dice.randint(0, 30)))
        field = b"To: " + encode_mailbox(name, "user@example.com") + b"\r\n"
        check_lines(field)
        verify_header_block(BLOCK.replace(b"To: b@example.com\r\n", field))
        assert [box.addr_spec for box in decoded("To", field).addresses] == ["user@example.com"]
        # The stdlib's new parser puts spaces between the encoded words of a phrase; its old one reads RFC 2047.
        phrase, address = parseaddr(field[4:].decode())
        assert (str(make_header(decode_header(phrase))), address) == (clean_text(name, 64), "user@example.com")


def test_verbatim_fields_are_never_encoded() -> None:
    url = "<https://app.example.com/u/" + "a" * 150 + ">"
    assert verbatim_field("List-Unsubscribe", url) == f"List-Unsubscribe: {url}\r\n".encode()
    long = " ".join(["<https://app.example.com/" + "a" * 400 + ">"] * 3)
    check_lines(verbatim_field("List-Unsubscribe", long), soft=False)
    assert "".join(decoded("List-Unsubscribe", verbatim_field("List-Unsubscribe", long)).split()) == long.replace(
        " ", ""
    )


@pytest.mark.parametrize(
    "value", ["", " ", "a\r\nb", "a\nb", "é", "a\tb", "=?utf-8?q?a?=", "x" * 1000, "a\x00", " a", "\ud800"]
)
def test_verbatim_fields_refuse_what_is_not_plain(value: str) -> None:
    with pytest.raises(UnsafeHeader):
        verbatim_field("List-ID", value)


@pytest.mark.parametrize("name", ["", "X-A\r\nEvil", "Evil: x", "X A", "Xé", "1X", "-X", "X" * 61, "X-A\x00"])
def test_field_names_are_checked(name: str) -> None:
    with pytest.raises(UnsafeHeader):
        encode_header_text(name, "x")
    with pytest.raises(UnsafeHeader):
        verbatim_field(name, "x")


def test_the_gate_lets_our_own_block_pass() -> None:
    verify_header_block(BLOCK)
    verify_header_block(BLOCK + b"\r\n")
    verify_header_block(BLOCK + b"Subject-is-not: x\r\n", also=frozenset({b"subject-is-not"}))
    verify_header_block(BLOCK.replace(b"b@example", "jörg@example".encode()), smtputf8=True)
    verify_header_block(BLOCK + b"Reply-To: =?utf-8?q?J=C3=B6rg?=\r\n =?utf-8?b?w7Y=?= <a@example.com>\r\n")


ODD = b"!#$%&'*+-/=?^_`{|}~@example.com"


@pytest.mark.parametrize(
    "to",
    [
        ODD,
        b"<" + ODD + b">",
        b"=?utf-8?q?J=C3=B6rg?= <" + ODD + b">",
        b"a=?b@example.com",
        b"=?utf-8?q?x?=@example.com",
        b"a@example.com, " + ODD + b",\r\n Ada <" + ODD + b">",
    ],
)
def test_in_an_address_no_encoded_word_begins(to: bytes) -> None:
    verify_header_block(BLOCK.replace(b"To: b@example.com", b"To: " + to))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"To: b@example.com", b"To: =?utf-8?q?a <b@example.com>"),
        (b"To: b@example.com", b"To: =?utf-8?q?a=0Ab?= <b@example.com>"),
        (b"To: b@example.com", b"To: <=?utf-8?q?a=0Ab?=@example.com>"),
        (b"To: b@example.com", b'To: "<=?utf-8?x?a?=@example.com>" <b@example.com>'),
        (b"To: b@example.com", b'To: "a =?b" <b@example.com>'),
        (b"Subject: ", b"Subject: <a=?b@example.com> "),
    ],
)
def test_elsewhere_it_still_does(line: bytes, text: bytes) -> None:
    block = BLOCK.replace(line, text)
    assert block != BLOCK
    with pytest.raises(UnsafeHeader):
        verify_header_block(block)


@pytest.mark.parametrize("name", ["", "Ada", "Zo\u00eb", "=?utf-8?q?x?="])
def test_an_address_that_looks_like_an_encoded_word_stands_alone(name: str) -> None:
    assert encode_mailbox(name, ODD.decode()) == ODD


@pytest.mark.parametrize(
    "block",
    [
        BLOCK + b"Bcc: x@example.org\r\n",
        BLOCK + b"bcc: x@example.org\r\n",
        BLOCK + b"Subject: again\r\n",
        BLOCK + b"SUBJECT: again\r\n",
        BLOCK + b"X-Anything: x\r\n",
        BLOCK + b"List-ID: a\nb\r\n",
        BLOCK + b"List-ID: a\rb\r\n",
        BLOCK + b"List-ID: a\x00b\r\n",
        BLOCK + b"List-ID: a\x0bb\r\n",
        BLOCK + b"List-ID: a\x1cb\r\n",
        BLOCK + b"List-ID: a\x7fb\r\n",
        BLOCK + b"List-ID: a",
        BLOCK + b"List-ID : a\r\n",
        BLOCK + b"List-ID a\r\n",
        BLOCK + b" \r\n",
        BLOCK + b"List-ID: a\r\n \r\n b\r\n",
        BLOCK + b"\r\n" + b"Body\r\n",
        BLOCK + b"\r\n\r\n",
        b"\r\n" + BLOCK,
        b" x\r\n" + BLOCK,
        b"",
        BLOCK + b"List-ID: " + b"x" * 990 + b"\r\n",
        BLOCK + b"List-ID: \xc3\xb6\r\n",
        BLOCK + b"List-ID: =?utf-8?q?Hi=0D=0ABcc:_x?=\r\n",
        BLOCK + b"List-ID: =?utf-8?b?DQpCY2M6IHg=?=\r\n",
        BLOCK + b"List-ID: =?utf-8?q?a=00b?=\r\n",
        BLOCK + b"List-ID: =?unknown-8bit?q?=FF?=\r\n",
        BLOCK + b"List-ID: =?utf-8?b?A?=\r\n",
        BLOCK + b"List-ID: =?utf-8?x?a?=\r\n",
        BLOCK + b"List-ID: =?utf-8?q?a?=b\r\n",
        BLOCK + b"List-ID: =?utf-8?q?a\r\n",
        *[BLOCK.replace(line, b"") for line in BLOCK.splitlines(keepends=True)],
    ],
)  # fmt: skip
def test_the_gate_stops_everything_else(block: bytes) -> None:
    with pytest.raises(UnsafeHeader):
        verify_header_block(block)


def test_utf_8_passes_the_gate_only_where_it_was_agreed_and_without_line_breaks() -> None:
    utf8 = BLOCK.replace(b"b@example", "jörg@example".encode())
    with pytest.raises(UnsafeHeader):
        verify_header_block(utf8)
    for octets in (b"\xff", "\u2028".encode(), "\x85".encode()):
        with pytest.raises(UnsafeHeader):
            verify_header_block(BLOCK.replace(b"b@example", octets + b"@example"), smtputf8=True)
