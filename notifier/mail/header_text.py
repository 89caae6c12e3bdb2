"""Make text that people typed safe for the header block of an email.

`display_name` checks the input of forms and refuses what cannot be shown. `clean_text` neutralises every header; the
encoders of `header_fields` call it, so that no caller can forget it.
"""

import re
import unicodedata
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp

from notifier.mail.characters import BLANKS, ZWJ, ZWNJ, is_invisible, is_noncharacter, is_selector

#: Characters (code points after NFC).
NAME_LIMIT, SUBJECT_LIMIT = 64, 200

_MAX_FORM_INPUT = 2000
_PLAIN = re.compile(r"[ -~]*\Z")
#: Anything that some email program might decode (RFC 2047), in any position.
_ENCODED_WORD = re.compile(rb"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
#: Charsets in which ASCII octets mean something else, or control characters have another encoding.
_NOT_ASCII_CHARSETS = (b"utf-7", b"utf7", b"unicode-1-1-utf-7", b"utf-16", b"utf-32", b"ucs", b"iso-2022", b"hz")


class HeaderTextError(ValueError):
    """The text cannot be shown in an email. The message is for the person who typed it."""


def display_name(text: str) -> str:
    """Return a name from a form: trimmed, in NFC, without invisible formatting.

    A name that shows nothing (white space, invisible characters) is the empty name. Raise HeaderTextError, with a
    message for that person, for line breaks, control characters, broken Unicode, and names of more than 64 characters.
    """
    text = text.strip()
    if not is_visible(text):
        return ""
    if len(text) > _MAX_FORM_INPUT:
        raise HeaderTextError(f"This name is too long: {NAME_LIMIT} characters at most.")
    for char in text:
        _refuse_unshowable(char)
    text = _settle(text)
    if len(text) > NAME_LIMIT:
        raise HeaderTextError(f"This name is too long: {NAME_LIMIT} characters at most.")
    return text


def clean_text(value: str, limit: int) -> str:
    """Return `value` in NFC, at most `limit` characters long, without anything that could harm a header.

    Never raise. Line breaks and control characters become a space; surrogates, bidirectional controls, tags and other
    invisible characters are removed; `=?` is split, so that no email program takes the text for an encoded word
    (RFC 2047). Text that shows nothing becomes the empty string.
    """
    if value.isascii() and len(value) <= limit and _PLAIN.match(value):
        text = value.strip(" ")
    else:
        text = _settle(value[: limit * 8])
        if not is_visible(text):
            return ""
    if "=?" in text:
        text = text.replace("=?", "= ?")
    return _cut(text, limit) if len(text) > limit else text


def hides_something(text: bytes) -> bool:
    """Return True if an encoded word in `text` is not UTF-8, cannot be decoded, or hides a control character.

    This is how a header is smuggled into a message (CVE-2024-6923).
    """
    return not all(_is_harmless(*word.groups()) for word in _ENCODED_WORD.finditer(text))


def hides_control(text: bytes) -> bool:
    """Return True if an email program that wrongly decodes an encoded word in `text` may get a control character.

    It is for addresses, in which `=?` is legal and begins no encoded word (RFC 5321, section 4.1.2; RFC 2047, section
    5).
    """
    return any(_may_hide_control(*word.groups()) for word in _ENCODED_WORD.finditer(text))


def _may_hide_control(charset: bytes, kind: bytes, payload: bytes) -> bool:
    if charset.lower().startswith(_NOT_ASCII_CHARSETS):
        return True
    try:
        decoded = a2b_base64(payload) if kind in b"bB" else a2b_qp(payload, header=True)
    except Base64Error:
        return False
    return bool(_CONTROLS.search(decoded))


def _is_harmless(charset: bytes, kind: bytes, payload: bytes) -> bool:
    try:
        decoded = a2b_base64(payload) if kind in b"bB" else a2b_qp(payload, header=True)
    except Base64Error:
        return False
    return charset.lower() == b"utf-8" and not _CONTROLS.search(decoded)


def is_visible(text: str) -> bool:
    """Return whether at least one character can be seen."""
    return any(map(_can_be_seen, text))


def _can_be_seen(char: str) -> bool:
    category = unicodedata.category(char)
    if category in {"Cn", "Co"}:  # such as an emoji that is newer than this Python, or a company's own symbol
        return not (is_invisible(char) or is_noncharacter(char))
    return category[0] in "LNPS" and char not in BLANKS


def _refuse_unshowable(char: str) -> None:
    category = unicodedata.category(char)
    if category in {"Cc", "Zl", "Zp"}:
        raise HeaderTextError("This name contains a line break or a control character. Please remove it.")
    if category == "Cs" or is_noncharacter(char):
        raise HeaderTextError("This name contains a broken character. Please type it again.")


def _settle(text: str) -> str:
    """Return `text` in NFC and trimmed, without control and invisible characters."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(_shown(text))
        text = unicodedata.normalize("NFC", text)
    return _trim(text)


def _trim(text: str) -> str:
    return text.strip().rstrip(ZWNJ + ZWJ).rstrip()


def _shown(text: str) -> list[str]:
    """Return the characters of `text` that may stay. Joiners and selectors stay only behind a visible character."""
    kept: list[str] = []
    for char in text:
        if " " <= char <= "~":
            kept.append(char)
        elif _is_joiner(char):
            if kept and not kept[-1].isspace() and _may_follow(kept[-1], char):
                kept.append(char)
        else:
            replacement = _stand_in(char)
            if replacement and not (replacement == " " and kept[-1:] == [" "]):
                kept.append(replacement)
    return kept


def _may_follow(before: str, joiner: str) -> bool:
    """Return whether `joiner` may follow: one selector, then one joiner. Longer runs serve only to hide something."""
    return before not in (ZWNJ, ZWJ) and not (is_selector(joiner) and is_selector(before))


def _stand_in(char: str) -> str:
    """Return the replacement for `char`: itself, a space, or an empty string."""
    category = unicodedata.category(char)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    gone = category == "Cs" or is_invisible(char) or is_noncharacter(char)
    return "" if gone else char


def _is_joiner(char: str) -> bool:
    """Return whether `char` is invisible but needed: for emoji families, Persian, Indic scripts, Han variants."""
    return char in (ZWNJ, ZWJ) or is_selector(char)


def _cut(text: str, limit: int) -> str:
    """Cut to at most `limit` characters, before a base character if one is near."""
    end = limit
    for candidate in range(limit, max(limit - 16, 0), -1):
        if not _clings(text, candidate):
            end = candidate
            break
    return _trim(text[:end])


def _clings(text: str, index: int) -> bool:
    """Return whether a cut before text[index] would split what is read as one character."""
    char, before = text[index], text[index - 1]
    return (
        unicodedata.category(char)[0] == "M"
        or _is_joiner(char)
        or before == ZWJ
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )
