"""The rows of a loop: what of a row determines the text around its values, and the values themselves.

A row is a small shape of its own. So a list of any length is filled in from the few shapes that its rows have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notifier.rendering.compiled.marked_render import Mark
from notifier.rendering.compiled.names_used import RowLoop
from notifier.rendering.compiled.values import COMPARABLE, PLAIN, Key, Unfit, comparable, getter

#: Rows that a reader keeps. Most rows of a report are the same as in another person's: a label, a small number.
KEPT = 1024
#: Characters of the values of a row that is kept: longer ones are rarely the same twice.
KEPT_LENGTH = 400


@dataclass(eq=False, slots=True)
class SeenRow:
    """A row as it was read. It is kept for other emails with the same row."""

    #: Of the shape of the row.
    key: Key
    #: Of its values.
    texts: list[str]
    #: The forms of this row, and what they made of it by the number of the loop: text, and HTML. One attribute, because
    #: threads share it.
    filled: tuple[object, dict[int, str], dict[int, bytes]] = (None, {}, {})

    def filled_by(self, forms: object) -> tuple[dict[int, str], dict[int, bytes]]:
        """Return what these forms have made of the row so far, for the caller to add to."""
        by, text, html = self.filled
        if by is not forms:
            text, html = {}, {}
            self.filled = (forms, text, html)
        return text, html


#: The rows of each name that is looped over.
SeenRows = dict[str, list[SeenRow]]


class RowReader:
    """Read the rows of one list. The texts of a row have the numbers from 0 on."""

    def __init__(self, loop: RowLoop) -> None:
        self._loop = loop
        tested = sorted(loop.tested - loop.watched)
        self._tested = len(tested)
        self._free = tested + sorted(loop.printed - loop.tested - loop.watched)
        self._watched = sorted(loop.watched)
        self._get_free, self._get_watched = getter(self._free), getter(self._watched)
        #: Whether the shape of a row is the same in every email.
        self.is_alone = loop.is_alone
        #: Numbers that the texts of a row can have.
        self.width = len(self._free)
        self._kept: dict[tuple[object, ...], SeenRow] = {}

    def read(self, rows: Any) -> list[SeenRow]:
        """Return the key and the texts of each row. Raise Unfit if one has none."""
        if type(rows) not in _LISTS:
            raise Unfit("a list that is not plain")
        if not self._loop.is_tuple:
            return [self._seen((row,)) for row in rows]
        if not _LISTS.issuperset(map(type, rows)) or not {len(self._loop.parts)}.issuperset(map(len, rows)):
            raise Unfit("a row that is not plain")
        return [self._seen(tuple(row)) for row in rows]

    def _seen(self, row: tuple[Any, ...]) -> SeenRow:
        types = tuple(map(type, row))
        if not COMPARABLE.issuperset(types):
            return self._read(row)
        # Equal values of two types may print differently.
        name = (row, types)
        seen = self._kept.get(name)
        if seen is None:
            seen = self._read(row)
            if sum(map(len, seen.texts)) <= KEPT_LENGTH:
                if len(self._kept) >= KEPT:
                    self._kept = {}
                self._kept[name] = seen
        return seen

    def _read(self, row: Any) -> SeenRow:
        free, watched = self._get_free(row), self._get_watched(row)
        types = tuple(map(type, watched))
        if not COMPARABLE.issuperset(types):
            watched = tuple(map(comparable, watched))
        truths = tuple([bool(value) or type(value) for value in free[: self._tested]])
        if not PLAIN.issuperset(map(type, free)) or float in truths:
            raise Unfit("a value that is not plain, or a zero, which has two signs")
        texts = list(map(str, free))
        if "\r" in "".join(texts):
            raise Unfit("a carriage return may be half of a line end")
        return SeenRow((truths, types, watched), texts)

    def marked(self, row: Any) -> object:
        """Return the row with marks in place of its values."""
        parts: list[object] = list(row) if self._loop.is_tuple else [row]
        for number, place in enumerate(self._free):
            if number >= self._tested or parts[place]:
                parts[place] = Mark(number)
        return tuple(parts) if self._loop.is_tuple else parts[0]


_LISTS = frozenset({list, tuple})


def unseen(seen: SeenRows, known: Mapping[tuple[str, Key], object]) -> dict[tuple[str, Key], int]:
    """Return the first row of each shape that is not known: its name and key, and its place in the list."""
    found: dict[tuple[str, Key], int] = {}
    for name, rows in seen.items():
        for place, row in enumerate(rows):
            if (name, row.key) not in known:
                found.setdefault((name, row.key), place)
    return found
