"""Render a template once with marks in place of values, to see where each value goes.

A mark is text that can be printed, joined and escaped, and refuses every other operation. So a template that does more
with a value than expected fails here, and its emails are rendered in the ordinary way.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from notifier.rendering.compiled.syntax_tree import NotFlat

#: Constant texts, and the numbers of the values between them.
Split = tuple[list[str], list[int]]

# Characters of the last private-use plane, which no template needs.
_START, _END, _NUMBER, _COUNT = "\U0010f000", "\U0010f001", 0x10F100, 0x200
#: Greater than the number of any value.
MAX_NUMBER = _COUNT
_WRAP, _BEGIN, _STOP = "\U0010f002", "\U0010f003", "\U0010f004"
#: A row of a loop is between its beginning, which names the loop, and its end.
_ROW, _LOOP_NUMBER, ROW_END = "\U0010f005", 0x10F300, "\U0010f006"
_OURS = re.compile("[\U0010f000-\U0010f3ff]")
_MARK = re.compile(f"{_START}([\U0010f100-\U0010f2ff])(&(?:amp;)*){_END}")
_WRAPPED = re.compile(f"{_WRAP}([0-9]+){_BEGIN}([^{_WRAP}{_BEGIN}{_STOP}]*){_STOP}")
_PLAIN, _ESCAPED = "&", "&amp;"
_LOOPS = 0x40


class Mark(str):
    """The mark of value `number`. It is true: a mark replaces a tested value only if that value is true."""

    __slots__ = ()

    def __new__(cls, number: int) -> "Mark":
        """Build the mark; its ampersand shows later how often it was escaped. Raise NotFlat for too many values."""
        if number >= _COUNT:
            raise NotFlat("too many values")
        return super().__new__(cls, f"{_START}{chr(_NUMBER + number)}{_PLAIN}{_END}")

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return "".join((self,))


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Mark, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotFlat(f"{name} of a value")

    return refuse


_NEEDED = {"__new__", "__str__", "__class__", "__init__", "__getattribute__", "__init_subclass__", "__subclasshook__"}
for _name in set(dir(str)) - _NEEDED - {"__doc__", "__setattr__", "__delattr__"}:
    setattr(Mark, _name, _refusal(_name))


def mark_wrapped(text: str, width: int = 79, break_long_words: bool = False, break_on_hyphens: bool = False) -> str:
    """Replace `wordwrap` while rendering with marks: record the text to wrap and the width."""
    if break_long_words or break_on_hyphens:
        raise NotFlat("words are broken")
    return f"{_WRAP}{width}{_BEGIN}{text}{_STOP}"


def row_begin(loop: int) -> str:
    """Return the mark before each row of the loop `loop`. Raise NotFlat for too many loops."""
    if loop >= _LOOPS:
        raise NotFlat("too many loops")
    return f"{_ROW}{chr(_LOOP_NUMBER + loop)}"


def take_rows(text: str, *, first: int, escaped: bool) -> tuple[str, dict[int, list[str]]]:
    """Replace the rows of each loop by one mark. Return the text, and the rows by loop.

    The mark of loop n has the number `first` + n. Raise NotFlat if a loop is in the text twice.
    """
    before, *pieces = text.split(_ROW)
    kept, rows, last = [before], dict[int, list[str]](), None
    for piece in pieces:
        loop = ord(piece[0]) - _LOOP_NUMBER
        row, end, after = piece[1:].partition(ROW_END)
        if loop != last:
            if loop in rows or not end:
                raise NotFlat("a loop in two places")
            kept.append(f"{_START}{chr(_NUMBER + first + loop)}{_ESCAPED if escaped else _PLAIN}{_END}")
        rows.setdefault(loop, []).append(row)
        kept.append(after)
        last = None if after else loop
    return "".join(kept), rows


def split_wrapped(text: str) -> tuple[str, int, str] | None:
    """Return the text that `mark_wrapped` got, the width, and the text after it; None if it was not called."""
    found = _WRAPPED.match(text)
    return None if found is None else (found.group(2), int(found.group(1)), text[found.end() :])


def split(text: str, *, escaped: bool) -> Split:
    """Split `text` at its marks. Raise NotFlat if a mark is not escaped exactly as often as expected."""
    pieces = _MARK.split(text)
    constants, numbers, ampersands = pieces[::3], pieces[1::3], pieces[2::3]
    if any(ampersand != (_ESCAPED if escaped else _PLAIN) for ampersand in ampersands):
        raise NotFlat("a value is escaped in an unusual way")
    if any(_OURS.search(constant) or "\r" in constant for constant in constants):
        raise NotFlat("a constant text has characters that are ours, or a carriage return")
    return constants, [ord(number) - _NUMBER for number in numbers]
