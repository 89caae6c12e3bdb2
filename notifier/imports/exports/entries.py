"""An entry of another system's list, and how its cells, dates and reasons are read."""

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from notifier.imports.files import FileError, Table


class What(enum.Enum):
    """What another system says about an address."""

    #: It does not exist.
    dead = enum.auto()
    complained = enum.auto()
    #: It must get nothing, for a reason that the other system does not tell.
    blocked = enum.auto()
    #: Its owner wants no more newsletters; other email may go on.
    unsubscribed = enum.auto()
    #: A refusal that will pass, or was about the sender.
    temporary = enum.auto()
    #: Nothing is wrong with it.
    fine = enum.auto()
    #: The file does not say.
    unclear = enum.auto()


class Entry(NamedTuple):
    """An address, and what is said about it."""

    #: The line of a CSV file, or the number of an item of JSON, from 1.
    line: int
    address: str
    what: What
    #: Since when; None: the file does not say, or in a way that cannot be read.
    at: datetime | None
    #: The words of the other system.
    words: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """A row by the names of its columns, in lower case."""

    line: int
    values: Mapping[str, str]
    problem: str = ""

    def first(self, *names: str) -> str:
        """Return the first of these cells that is not blank; "" if all are, or are missing."""
        return next((value for name in names if (value := self.values.get(name, ""))), "")


def cells_of(table: Table, *needed: str) -> Iterator[Cells]:
    """Yield the rows of a table. Raise FileError unless it has one of the columns `needed`."""
    names = [name.casefold() for name in table.header]
    if not set(needed) & set(names):
        raise FileError(f"The file has no column {' or '.join(needed)}. Is it an export of this system?")
    for row in table.rows():
        values = {} if row.problem else {name: cell.strip() for name, cell in zip(names, row.cells, strict=True)}
        yield Cells(row.line, values, row.problem)


def text_of(value: Any) -> str:
    """Return a value of JSON as text; "" for what is none."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


#: As Go writes a time ("2024-03-01 09:00:00.123456 +0000 UTC"): the name of the zone after its offset.
_GO = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})(?: \S+)?")


def moment_of(text: str) -> datetime | None:
    """Return the moment in `text`: ISO 8601, seconds since 1970, or as Go writes it; None if it is none of these.

    Without an offset it is UTC, as in the exports of Mailchimp and SendGrid.
    """
    try:
        if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        if found := _GO.fullmatch(text):
            text = f"{found[1]}T{found[2]}{found[3]}"
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
