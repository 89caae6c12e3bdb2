"""Text that people typed, on its way into headers: what is refused, what is neutralised, what stays."""

import random
import unicodedata

import pytest

from notifier.mail.header_text import HeaderTextError, clean_text, display_name, is_visible

#: Every kind of character that must not reach a header.
HARMFUL = [
    *range(0x20), *range(0x7F, 0xA0), 0x00AD, 0x034F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F),
    *range(0x2060, 0x2070), 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xFDD0, 0xFEFF, *range(0xFFF0, 0xFFFC), 0xFFFE, 0xFFFF,
    0x1BCA0, 0x1D173, 0x1FFFE, 0xE0000, 0xE0001, *range(0xE0020, 0xE0080), 0xE0FFF, 0x10FFFF,
]  # fmt: skip

VERBATIM = [
    "Ada Lovelace", "O'Brien & Co", "AT&T <3 O'Brien", 'Acme "A" (x) <b>', "back\\slash", "Acme, Inc.", "ops@acme",
    "Acme: News; more", "{{7*7}}", "Hi%0d%0aBcc: x", "Hi&#13;&#10;Bcc: x", "Café", "日本語の件名", "שלום עולם",
    "Zoë  Müller",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f\u200d\U0001f525",
    "\u0645\u06cc\u200c\u062e\u0648\u0627",
    "\u8fbb\U000e0100", "क\u094d\u200dष", "\U0001fae8", "a?=b", "= ?",
]  # fmt: skip


@pytest.mark.parametrize("text", VERBATIM)
def test_what_people_are_called_stays_as_it_is(text: str) -> None:
    assert clean_text(text, 64) == text
    assert display_name(text) == text


@pytest.mark.parametrize("code", HARMFUL)
def test_no_harmful_character_survives(code: int) -> None:
    for text in (f"Hi{chr(code)}Bcc: x", f"{chr(code)}Hi", f"Hi{chr(code)}", f"é{chr(code)}é"):
        cleaned = clean_text(text, 200)
        assert chr(code) not in cleaned or chr(code) == " "
        cleaned.encode("utf-8")


@pytest.mark.parametrize("between", ["", "\u200b", "\u2060", "\udc80", "\U000e0041", "\u034f", "\ufeff"])
def test_encoded_words_are_pulled_apart_even_when_hidden(between: str) -> None:
    cleaned = clean_text(f"={between}?utf-8?q?Hi=0D=0ABcc:_x?=", 200)
    assert "=?" not in cleaned
    assert cleaned == "= ?utf-8?q?Hi=0D=0ABcc:_x?="


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Hi\r\nBcc: x", "Hi Bcc: x"),
        ("Hi\r\n\t\x0b\x1c\u2028Bcc: x", "Hi Bcc: x"),
        ("  \u00a0Hi\u3000 ", "Hi"),
        ("\x1b[31mred", "[31mred"),
        ("\u2066x\u2069", "x"),
        ("Jo\u0308rg", "Jörg"),
        ("a\u200d \u200db", "a\u200d b"),
        ("\u200d\ufe0fx", "x"),
        ("x\ufe0f\ufe0f\ufe0fy", "x\ufe0fy"),
        ("x\u200d\u200d\u200c", "x"),
    ],
)
def test_neutralised(text: str, cleaned: str) -> None:
    assert clean_text(text, 200) == cleaned


@pytest.mark.parametrize(
    "text", ["", "  ", "\u200b\u200b", "\ud800", "\U000e0041\U000e0042", "\u3164", "\u2800", "\u0301", "\r\n", "\u200d"]
)
def test_nothing_to_see_is_nothing(text: str) -> None:
    assert clean_text(text, 64) == ""
    assert not is_visible(text)
    assert display_name(text) == ""


@pytest.mark.parametrize(
    ("text", "limit", "cleaned"),
    [
        ("A" * 5000, 200, "A" * 200),
        ("word " * 100, 10, "word word"),
        ("e\u0323\u0302\u0331" * 5, 4, "\u1ec7\u0331\u1ec7\u0331"),
        ("ab\U0001f468\u200d\U0001f469\u200d\U0001f467", 4, "ab"),
        ("abc\U0001f44d\U0001f3fd", 4, "abc"),
        ("\U0001f600" * 100, 64, "\U0001f600" * 64),
        ("a" + "\u0301" * 500, 64, "\u00e1" + "\u0301" * 63),
        ("abc=?d", 5, "abc= "[:4]),
    ],
)
def test_cut_where_a_character_ends(text: str, limit: int, cleaned: str) -> None:
    assert clean_text(text, limit) == cleaned


@pytest.mark.parametrize(
    "code", [code for code in HARMFUL if unicodedata.category(chr(code)) in {"Cc", "Zl", "Zp", "Cs"}]
)
def test_a_form_refuses_controls_and_surrogates(code: int) -> None:
    with pytest.raises(HeaderTextError):
        display_name(f"Ada{chr(code)}Lovelace")


def test_a_form_trims_and_drops_invisible_formatting() -> None:
    assert display_name(" \u200eAda\u00ad Lovelace\u202c\u3000") == "Ada Lovelace"
    assert display_name("Jo\u0308rg") == "Jörg"


def test_a_form_says_what_to_do() -> None:
    assert display_name("x" * 64) == "x" * 64
    for text in ("x" * 65, "\u00e9" * 65, "x" * 20_000, "a\nb", "a\ud800b"):
        with pytest.raises(HeaderTextError) as caught:
            display_name(text)
        assert str(caught.value).isprintable()
        assert str(caught.value).endswith(".")


def test_any_text_comes_out_harmless() -> None:
    dice = random.Random(2047)
    pool = [chr(code) for code in HARMFUL] + list('=?=?ab Zé\u0301\u200d\ufe0f\U0001f468日<>"\\,@:;')
    for _ in range(4000):
        text = "".join(dice.choices(pool, k=dice.randint(0, 60)))
        cleaned = clean_text(text, 40)
        assert len(cleaned) <= 40
        assert "=?" not in cleaned
        assert cleaned == cleaned.strip()
        assert unicodedata.is_normalized("NFC", cleaned)
        assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
        assert {char for char in cleaned if unicodedata.category(char) == "Cf"} <= {"\u200d"}
        assert clean_text(cleaned, 40) == cleaned
        cleaned.encode("utf-8")
