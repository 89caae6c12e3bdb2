"""Detect invisible and invalid characters, which Unicode's category alone does not reveal."""

import re
import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
#: Letters and symbols by category that show nothing, such as Hangul fillers and the empty Braille cell.
BLANKS = frozenset("\ufffd\u115f\u1160\u3164\uffa0\u2800")
#: Marks that show nothing by themselves: grapheme joiner, Khmer inherent vowels, Mongolian selectors.
_INVISIBLE_MARKS = frozenset("\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")

#: Control characters other than tabs and line breaks, surrogates, and the replacement character. Postgres stores no
#: NUL, UTF-8 cannot encode surrogates, and a terminal obeys some of the others.
BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


#: Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9): they also reorder the text that follows.
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def broken_in(text: str, invalid: re.Pattern[str] = BROKEN) -> str:
    """Return a message about the first invalid character; empty if there is none."""
    found = invalid.search(text)
    if found is None:
        return ""
    return f"holds a character that cannot be shown (U+{ord(found[0]):04X}): delete it and type it again"


def reordering_in(text: str) -> str:
    """Return a message about the first character that reorders the text around it; empty if there is none."""
    found = _REORDERING.search(text)
    return (
        ""
        if found is None
        else f"holds an invisible character that reorders the text around it (U+{ord(found[0]):04X})"
    )


def with_marks(text: str) -> str:
    """Replace each invalid character in `text` by a replacement character, which can be seen and deleted."""
    return BROKEN.sub("\ufffd", text)


def is_selector(char: str) -> bool:
    """Return whether this is a variation selector, which chooses a coloured emoji or a variant of a Han character."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def escaped(text: str) -> str:
    r"""Return `text` for a terminal, with escapes for characters that it would obey or that hide or reverse text.

    Control characters other than line feeds and tabs, line separators, surrogates and invisible characters become
    escapes such as `\x1b` or `\u202e`. Joiners and selectors stay, because emoji and some scripts need them.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(char.encode("unicode_escape").decode() if _is_harmful(char) else char for char in text)


def _is_harmful(char: str) -> bool:
    if char in "\n\t" or char in (ZWNJ, ZWJ) or is_selector(char):
        return False
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or is_invisible(char) or is_noncharacter(char)


def is_noncharacter(char: str) -> bool:
    """Return whether this is a code point that will never be a character."""
    code = ord(char)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def is_invisible(char: str) -> bool:
    """Return whether this character shows nothing, and is no control character or line break.

    These are format characters (bidirectional controls, tags, zero-width ones), invisible marks, and unassigned code
    points that are invisible by default.
    """
    category = unicodedata.category(char)
    if category == "Cn":
        code = ord(char)
        return code == 0x2065 or 0xFFF0 <= code <= 0xFFF8 or 0xE0000 <= code <= 0xE0FFF
    return category == "Cf" or char in _INVISIBLE_MARKS
