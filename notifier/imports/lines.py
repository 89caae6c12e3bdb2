"""A line of a file becomes a person, or a problem that names the column and quotes nothing of the line."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from notifier.entries.fields import external_id_of, is_locale, is_zone
from notifier.imports.files import FileError, Row
from notifier.mail.addresses import Address, parse_address
from notifier.mail.header_text import NAME_LIMIT, clean_text

#: The columns that are known, besides `attributes.NAME`. The first two are needed.
COLUMNS: Final = ("external_id", "email", "name", "locale", "timezone", "confirmed_at")
_ATTRIBUTE = re.compile(r"attributes\.([A-Za-z0-9_-][A-Za-z0-9_.-]{0,63})")
#: Characters of an attribute, and the number of attributes.
MAX_VALUE: Final = 1000
MAX_ATTRIBUTES: Final = 50

_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line is refused."""

    line: int
    #: The column as we call it; empty if it is about the whole line.
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person as a line describes them. None: the file does not say."""

    line: int
    external_id: str
    email: str
    identity_key: str
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    confirmed_at: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class ColumnMap:
    """Which column of the file is which of ours."""

    def __init__(self, header: Sequence[str], named: Mapping[str, str]) -> None:
        """Find the columns.

        Args:
            header: The names in the file.
            named: Our column -> the name in the file, for those whose names differ.

        Raises:
            FileError: A column is missing, unknown, or taken twice.
        """
        there = {name.casefold(): place for place, name in enumerate(header) if name}
        #: The place of each of our columns that the file has.
        self.places = {ours: _place(ours, theirs, there, header) for ours, theirs in named.items()}
        taken = set(self.places.values())
        for name, place in there.items():
            ours = name if name in COLUMNS else header[place]
            if _is_column(ours) and ours not in self.places and place not in taken:
                self.places[ours] = place
        for needed in COLUMNS[:2]:
            if needed not in self.places:
                hint = f"Name it with --map {needed}=COLUMN. The file has: {_names(header)}."
                raise FileError(f"No column is {needed}.", hint)
        found = ((_ATTRIBUTE.fullmatch(ours), place) for ours, place in self.places.items())
        #: The places of attributes, by their name.
        self.attributes = {match[1]: place for match, place in found if match}
        if len(self.attributes) > MAX_ATTRIBUTES:
            raise FileError(f"There are more than {MAX_ATTRIBUTES} attributes.")
        used = set(self.places.values())
        #: The columns of the file that are not used.
        self.unused = [name or f"column {place + 1}" for place, name in enumerate(header) if place not in used]


def _is_column(name: str) -> bool:
    return name in COLUMNS or _ATTRIBUTE.fullmatch(name) is not None


def _place(ours: str, theirs: str, there: Mapping[str, int], header: Sequence[str]) -> int:
    if not _is_column(ours):
        raise FileError(f"There is no column of that name here. Choose one of {', '.join(COLUMNS)}, attributes.NAME.")
    place = there.get(theirs.casefold())
    if place is None:
        raise FileError(f"The file has no such column for {ours}. It has: {_names(header)}.")
    return place


class LineReader:
    """Reads persons from rows."""

    def __init__(self, mapping: ColumnMap, *, addresses: Mapping[str, Any], now: datetime) -> None:
        """Read by this mapping.

        Args:
            mapping: Which column is which.
            addresses: The arguments of `parse_address`.
            now: No confirmation may be later.
        """
        self._places = mapping.places
        self._attributes = sorted(mapping.attributes.items())
        self._checks: tuple[tuple[str, Callable[[str], Any]], ...] = (
            ("external_id", external_id_of),
            ("email", partial(parse_address, **addresses)),
            ("name", _name),
            ("locale", _locale),
            ("timezone", _zone),
            ("confirmed_at", partial(confirmation_date, now=now)),
        )

    def read(self, row: Row) -> PersonLine | Problem:
        """Return the person of this row, or what is wrong with it."""
        if row.problem:
            return Problem(row.line, "", row.problem)
        column = ""
        try:
            values: dict[str, Any] = {}
            for column, check in self._checks:
                text = row.cells[self._places[column]].strip() if column in self._places else ""
                values[column] = check(text) if text or column in COLUMNS[:2] else None
            attributes = {}
            for name, place in self._attributes:
                column = f"attributes.{name}"
                if value := _value(row.cells[place].strip()):
                    attributes[name] = value
        except ValueError as error:
            return Problem(row.line, column, str(error))
        address: Address = values.pop("email")
        return PersonLine(
            row.line, email=address.envelope, identity_key=address.identity_key, attributes=attributes, **values
        )


def confirmation_date(text: str, now: datetime) -> datetime:
    """Return the moment of a confirmation; without an offset it is UTC. Raise ValueError, with what is wrong."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("it is not a date such as 2026-03-01 or 2026-03-01T12:00:00+01:00") from None
    if moment > now:
        raise ValueError("it lies in the future")
    if moment < _EARLIEST:
        raise ValueError("it lies before 1990")
    return moment


def _locale(text: str) -> str:
    tag = text.replace("_", "-")
    if not is_locale(tag):
        raise ValueError("it is not a language tag such as de or pt-BR")
    return tag


def _zone(text: str) -> str:
    if not is_zone(text):
        raise ValueError("it is not an IANA time zone such as Europe/Berlin")
    return text


def _name(text: str) -> str | None:
    return clean_text(text, NAME_LIMIT) or None


def _value(text: str) -> str:
    if len(text) > MAX_VALUE:
        raise ValueError(f"it is longer than {MAX_VALUE} characters")
    return text


def _names(header: Sequence[str]) -> str:
    shown = [clean_text(name, 40) for name in header[:30]]
    return ", ".join(shown) + (", …" if len(header) > len(shown) else "")
