"""Numbers as people type them: a comma may be a decimal mark, and never silently disappears."""

import re
from decimal import Decimal

#: Between groups of three digits, beside comma and dot.
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))", re.ASCII)
_NUMBER = re.compile(r"[.,]?\d[\d.,]{0,20}", re.ASCII)
_GROUPS = {mark: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+", re.ASCII) for mark in ".,"}


def number_in(text: str, *, example: str = "2.5") -> Decimal:
    """Read a number of at most nine digits before its decimal mark, which is a dot or a comma.

    Raise ValueError with words for people: for what is no number, and for what may be read in two ways.
    """
    plain = _SPACES.sub("", text)
    if not _NUMBER.fullmatch(plain) or len(plain) > 20:
        raise ValueError(f"Enter a number, such as {example}.")
    last = max(plain, key=lambda char: plain.rfind(char) if char in ".," else -1)
    if last in ".,":
        plain = _without_groups(plain, last, example)
    value = Decimal(plain)
    if value >= 10**9:
        raise ValueError("This number is too large. Enter a smaller one.")
    return value


def _without_groups(text: str, mark: str, example: str) -> str:
    """The number with a dot as its only mark. `mark`: the last one in it."""
    other = "," if mark == "." else "."
    if text.count(mark) > 1 or (mark == "," and other not in text and _GROUPS[mark].fullmatch(text)):
        digits = text.replace(mark, "")
        if text.count(mark) == 1:
            decimal = Decimal(text.replace(mark, ".")).normalize()
            raise ValueError(f"“{text}” can be read in two ways. Write {digits} or {decimal:f}.")
        if not _GROUPS[mark].fullmatch(text):
            raise ValueError(f"Enter a number, such as {example}.")
        return digits
    whole, _, rest = text.rpartition(mark)
    if other in whole and not _GROUPS[other].fullmatch(whole):
        raise ValueError(f"Enter a number, such as {example}.")
    return f"{whole.replace(other, '') or '0'}.{rest or '0'}"
