"""Which characters cannot be seen. Unicode's category alone does not tell."""

import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"
#: Letters and symbols by category that show nothing at all: Hangul fillers, the empty Braille cell.
BLANKS = frozenset("\ufffd\u115f\u1160\u3164\uffa0\u2800")
#: Marks that show nothing by themselves: grapheme joiner, Khmer inherent vowels, Mongolian selectors.
_INVISIBLE_MARKS = frozenset("\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")


def is_selector(char: str) -> bool:
    """A variation selector: an emoji in colour, a variant of a Han character."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def is_noncharacter(char: str) -> bool:
    """A code point that will never be a character."""
    code = ord(char)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def is_invisible(char: str) -> bool:
    """Nothing to see, and no control character or line break either: format characters (bidirectional
    controls, tags, zero-width ones), invisible marks, and what is unassigned but invisible by default.
    """
    category = unicodedata.category(char)
    if category == "Cn":
        code = ord(char)
        return code == 0x2065 or 0xFFF0 <= code <= 0xFFF8 or 0xE0000 <= code <= 0xE0FFF
    return category == "Cf" or char in _INVISIBLE_MARKS
