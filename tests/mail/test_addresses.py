"""Addresses: the corpus, the rules behind it, and what holds for any input."""

import json
import random
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from notifier.mail.addresses import Address, AddressError, abuse_key, identity_of, parse_address

DATA = Path(__file__).resolve().parent.parent / "data"
CASES = json.loads((DATA / "email_address.json").read_text())


def parsed(text: str, **options: bool) -> Address | None:
    try:
        return parse_address(text, **options)
    except AddressError as error:
        message = str(error)
    assert 20 <= len(message) <= 160
    assert message.isprintable()
    return None


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_corpus(case: dict[str, Any]) -> None:
    address = parsed(case["input"])
    match case["expect"]:
        case "accept":
            assert address is not None
            assert address.envelope == case["envelope"]
            assert address.identity_key == case["identity_key"]
            assert address.smtputf8 is case["smtputf8"]
        case "accept_iff_smtputf8":
            assert address is not None
            assert address.smtputf8
            assert parsed(case["input"], allow_smtputf8=False) is None
        case "trim_or_reject":
            assert address is None or address.identity_key == "user@example.com"
        case _:
            assert address is None


@pytest.mark.parametrize(
    ("text", "envelope", "identity_key"),
    [
        ("User.Name@Example.COM", "User.Name@example.com", "user.name@example.com"),
        ("Postmaster@example.com", "Postmaster@example.com", "postmaster@example.com"),
        ("a%b.example.org@example.com", "a%b.example.org@example.com", "a%b.example.org@example.com"),
        ("host!user@example.com", "host!user@example.com", "host!user@example.com"),
        ("user+tag@example.com", "user+tag@example.com", "user+tag@example.com"),
        ("\u212aevin@example.com", "\u212aevin@example.com", "\u212aevin@example.com"),
        ("\u212aEVIN@example.com", "\u212aEVIN@example.com", "\u212aevin@example.com"),
        ("\u0130pek@example.com", "\u0130pek@example.com", "i\u0307pek@example.com"),
        ("\u00c9MILE@example.com", "\u00c9MILE@example.com", "\u00e9mile@example.com"),
        ("Jo\u0308rg@example.com", "Jörg@example.com", "jörg@example.com"),
        ("straße@example.com", "straße@example.com", "straße@example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("=?utf-8?q?x?=@example.com", "=?utf-8?q?x?=@example.com", "=?utf-8?q?x?=@example.com"),
        ("=?us-ascii?q?x?=@example.com", "=?us-ascii?q?x?=@example.com", "=?us-ascii?q?x?=@example.com"),
        (
            "x=?iso-8859-1?b?aGk=?=@example.com",
            "x=?iso-8859-1?b?aGk=?=@example.com",
            "x=?iso-8859-1?b?agk=?=@example.com",
        ),
        ("=?utf-8*en?q?x?=@example.com", "=?utf-8*en?q?x?=@example.com", "=?utf-8*en?q?x?=@example.com"),
        ("=?utf-8?b?!?=@example.com", "=?utf-8?b?!?=@example.com", "=?utf-8?b?!?=@example.com"),
        ("user@FASS.de", "user@fass.de", "user@fass.de"),
        ("user@faß.de", "user@xn--fa-hia.de", "user@xn--fa-hia.de"),
        ("user@βόλος.com", "user@xn--nxasmm1c.com", "user@xn--nxasmm1c.com"),
        ("user@XN--BCHER-KVA.example.com", "user@xn--bcher-kva.example.com", "user@xn--bcher-kva.example.com"),
        ("user@example\uff0ecom", "user@example.com", "user@example.com"),
        ("user@example\uff61com", "user@example.com", "user@example.com"),
        ("user@example.com\u3002", "user@example.com", "user@example.com"),
        ("user@x.рф", "user@x.xn--p1ai", "user@x.xn--p1ai"),
        ("\t user@example.com\u3000", "user@example.com", "user@example.com"),
        ("user@news.example", "user@news.example", "user@news.example"),
    ],
)
def test_accepted(text: str, envelope: str, identity_key: str) -> None:
    address = parse_address(text)
    assert (address.envelope, address.identity_key) == (envelope, identity_key)
    assert address.domain == envelope.rpartition("@")[2]
    assert address.local == envelope.rpartition("@")[0]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "user", "user@@example.com", "@example.com", "a@b@example.com",
        ".a@example.com", "a.@example.com", "a..b@example.com",
        "user@example..com", "user@example.com..", "user@.", "user@\u3002",
        "user@-a.com", "user@a-.com", "user@a.-b.com", "user@ab--cd.com",
        "user@[127.0.0.1]", "user@[IPv6:::1]", "user@127.0.0.1", "user@1.1", "user@[x]",
        "user@xn--.com", "user@xn--a.com", "user@xn--example.com", "user@xn---bbk.com", "user@xn--55555577.com",
        "user@foo.test", "user@foo.onion", "user@foo.alt", "user@x.home.arpa", "user@foo.localhost",
        "user@foo.LOCAL", "user@foo\u3002invalid", "user@foo.local.",
        "a\u037eb@example.com", "user@1\u2488com", "user@a\u2024com", "user@a\uff0fb.com", "user@a\uff05b.com",
        "\u0301a@example.com", "user@\u0338example.com",
        "user\uff20example.com", "user\ufe6bexample.com",
        "ü" * 33 + "@example.com", "user@" + "ü" * 60 + ".com", "user@" + "a" * 64 + ".com",
        "user@example.com\n", "\r\nuser@example.com", "user@example.com\x00", "\x7fuser@example.com",
        '"user"@example.com', '"a b"@example.com', "user\\@example.com", "a,b@example.com", "a;b@example.com",
        "mailto:user@example.com", "user@example.com?x=1", "user@ex%41mple.com", "user@example.com:25",
        "Name <user@example.com>", "user@example.com>", "=?utf-8?q?a?=@exa mple.com",
    ],
)  # fmt: skip
def test_rejected(text: str) -> None:
    assert parsed(text) is None


INVISIBLE = [
    *range(0x20), *range(0x7F, 0xA0), 0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E,
    *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0x2800, 0x3164, 0xD800, 0xDFFF, 0xE000,
    0xFDD0, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC), 0xFFFE, 0xFFFF, 0x1BCA0, 0x1D173, 0xE0001,
    0xE0041, 0xE007F, 0xE0100, 0xE0FFF, 0xF0000, 0x10FFFF,
    0x20, 0xA0, 0x1680, 0x2000, 0x202F, 0x205F, 0x3000,
]  # fmt: skip


@pytest.mark.parametrize("place", ["us{}er@example.com", "user@exam{}ple.com"])
def test_invisible_characters_and_spaces_are_rejected_everywhere(place: str) -> None:
    accepted = [hex(code) for code in INVISIBLE if parsed(place.format(chr(code))) is not None]
    assert accepted == []


def test_lengths_are_counted_in_octets() -> None:
    assert parse_address("ü" * 32 + "@example.com").smtputf8
    local = "x" * 64
    room = 254 - 65 - len(".com")
    domain = ".".join(["d" * 61, "d" * 61, "d" * (room - 124)]) + ".com"
    assert parsed(f"{local}@{domain}") is not None
    assert parsed(f"{local}@d{domain}") is None


def test_plus_and_dots_are_other_people() -> None:
    keys = {parse_address(text).identity_key for text in ("a.b@example.com", "ab@example.com", "ab+1@example.com")}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("A.b+news@Example.com", "a.b@example.com"),
        ("a-b+news@example.com", "a-b@example.com"),
        ("a+b+c@outlook.com", "a@outlook.com"),
        ("a.b@outlook.com", "a.b@outlook.com"),
        ("A.b.C+news@gmail.com", "abc@gmail.com"),
        ("a.bc+1@googlemail.com", "abc@gmail.com"),
        ("a-b@gmail.com", "a-b@gmail.com"),
        ("ada-shop@yahoo.com", "ada@yahoo.com"),
        ("ada-shop+1@yahoo.co.uk", "ada@yahoo.co.uk"),
        ("a.da@yahoo.com", "a.da@yahoo.com"),
        ("+1@example.com", "+1@example.com"),
        ("-1@yahoo.com", "-1@yahoo.com"),
    ],
)
def test_the_limits_know_a_mailbox_whatever_its_tag(text: str, key: str) -> None:
    assert abuse_key(parse_address(text)) == key


def test_no_local_part_outside_ascii_is_ever_the_same_person_as_one_inside() -> None:
    """Whatever characters the world has: for each that some rule would fold into ASCII."""
    strangers = [
        char
        for char in map(chr, range(0x80, sys.maxunicode + 1))
        if any(fold(char).isascii() for fold in (str.casefold, str.lower, str.upper, compatible))
        and parsed(f"x{char}y@example.com") is not None
    ]
    assert len(strangers) > 1000
    wrong = []
    for char in strangers:
        address = parse_address(f"x{char}y@example.com")
        key, envelope = address.identity_key, address.envelope
        same = identity_of(envelope) == key == parse_address(key).identity_key and parse_address(envelope) == address
        if key.isascii() or envelope.isascii() or not same:
            wrong.append(hex(ord(char)))
    assert wrong == []


def compatible(char: str) -> str:
    return unicodedata.normalize("NFKC", char)


@pytest.mark.parametrize(
    "text",
    ["x" * 20_000 + "@example.com", "@" * 20_000, "ü" * 1_000_000 + "@a.com",
     "user@" + "a." * 10_000 + "com", "\u0301" * 20_000,
     "a@" + "\u0301" * 900, "ü" * 990 + "@a.com",
     "a@" + "ü." * 480 + "com", "a" * 990, "." * 999, "a@" + "xn--" + "9" * 900 + ".com"],
)  # fmt: skip
def test_long_input_is_answered_at_once(text: str) -> None:
    best = 1.0
    for _ in range(3):
        started = time.perf_counter()
        assert parsed(text) is None
        best = min(best, time.perf_counter() - started)
    assert best < 0.05


def test_any_text_is_an_address_or_an_address_error() -> None:
    dice = random.Random(5321)
    pool = "abcZ.@-+_%! <>\"'(),;:\\[]\r\n\x00\u0301\u037e\u2488\u3002\uff0e\uff20\u200dßμжא\U0001f355\ud800\ufdd0"
    accepted = 0
    for _ in range(4000):
        local = "".join(dice.choices(pool, k=dice.randint(0, 4)))
        domain = "".join(dice.choices(pool, k=dice.randint(0, 4)))
        address = parsed(f"{local}x@y{domain}.com")
        if address is None:
            continue
        accepted += 1
        assert address.envelope.count("@") == 1
        assert address.domain.isascii()
        assert not any(unicodedata.category(char)[0] in "CZ" for char in address.envelope)
        assert parse_address(address.envelope) == address
        assert parse_address(address.identity_key).identity_key == address.identity_key
    assert accepted > 100


@pytest.mark.parametrize("word", ["=?utf-8?q?=0D=0ABcc:_x?=", "=?utf-7?q?x?=", "=?utf-8?b?DQo=?="])
def test_a_local_part_that_would_smuggle_a_header_is_refused(word: str) -> None:
    with pytest.raises(AddressError):
        parse_address(f"a{word.replace(':', '')}@example.com")
