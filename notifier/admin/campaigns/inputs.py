"""What somebody typed into a long form, kept as it was typed until all of it is right."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.mail.characters import broken_in, with_marks
from notifier.scheduling import periods

#: Units that people choose for a length of time, in seconds.
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}

#: Longer texts than this are nobody's wish; the kinds' own limits are far below.
LONGEST = 60_000


class Fields:
    """The texts of a form by the names of its inputs, with a mark for each character that cannot be shown."""

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self._texts = {name: list(map(with_marks, values)) for name, values in texts.items()}
        self._broken = {name: broken for name, values in texts.items() if (broken := _broken(values))}

    def one(self, name: str, default: str = "") -> str:
        """The text of an input, without spaces around it."""
        values = self._texts.get(name)
        return values[-1].strip() if values else default

    def all(self, name: str) -> list[str]:
        """What is ticked of several."""
        return list(self._texts.get(name, ()))

    def on(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.one(name))

    def broken(self) -> Mapping[str, str]:
        """Return what is wrong with texts as such, whatever they are for, by the names of their inputs."""
        return self._broken


def _broken(values: Sequence[str]) -> str:
    if any(len(value) > LONGEST for value in values):
        return f"This text is longer than {LONGEST:,} characters. Shorten it."
    found = next(filter(None, map(broken_in, values)), "")
    return found and f"This {found}."


class Problems:
    """What is wrong, by the name of the input; the first mistake of an input counts."""

    def __init__(self) -> None:
        self.by_field: dict[str, str] = {}

    def add(self, field: str, words: str) -> None:
        """Something is wrong with this input."""
        self.by_field.setdefault(field, words[:1].upper() + words[1:])

    def add_all(self, found: Iterable[tuple[str, str]]) -> None:
        """Several at once."""
        for field, words in found:
            self.add(field, words)

    def __bool__(self) -> bool:
        return bool(self.by_field)


def number(fields: Fields, name: str, problems: Problems, *, words: str = "Enter a number, such as 10.") -> int | None:
    """A whole number; None where nothing is written."""
    text = fields.one(name).replace(",", "").replace("\u202f", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        problems.add(name, words)
        return None
    return int(text)


def decimal(fields: Fields, name: str, problems: Problems) -> float | None:
    """A number; None where nothing is written."""
    text = fields.one(name)
    if not text:
        return None
    try:
        value = float(text) if len(text) <= 20 else float("nan")
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e9:
        problems.add(name, "Enter a number, such as 2.5.")
        return None
    return value


def length(fields: Fields, name: str, problems: Problems) -> int | None:
    """Seconds, from a number and its unit; None where no number is written."""
    found = number(fields, f"{name}-number", problems)
    if found == 0:
        problems.add(f"{name}-number", "Enter 1 or more, or leave it empty.")
    unit = fields.one(f"{name}-unit", "hours")
    if unit not in UNITS:
        problems.add(f"{name}-number", "Choose a unit from the list.")
        return None
    return None if not found else min(found * UNITS[unit], 2**31 - 1)


def shown_length(name: str, seconds: int | None, default: str = "hours") -> dict[str, list[str]]:
    """The inputs of a length, in the largest unit that says it exactly."""
    unit = default if not seconds else next(unit for unit, size in UNITS.items() if not seconds % size)
    return {f"{name}-number": [str(seconds // UNITS[unit]) if seconds else ""], f"{name}-unit": [unit]}


def moment(
    fields: Fields, name: str, zone: ZoneInfo | None, problems: Problems, *, was: datetime | None = None
) -> datetime | None:
    """The moment at which the clocks of `zone` show what is written (YYYY-MM-DDTHH:MM); None where nothing is.

    `was` is given back where it is what is written: nothing that was finer than a minute gets lost.
    """
    text = fields.one(name)
    if not text:
        return None
    wall = _wall(text)
    if wall is None:
        problems.add(name, "Choose a day and a time, such as 2026-12-24 09:00.")
    if wall is None or zone is None:
        return None
    if was is not None and shown_moment(was, zone) == text[:16]:
        return was
    return periods.resolve(wall.replace(second=0, microsecond=0), zone)


def _wall(text: str) -> datetime | None:
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return None
    return wall if wall.tzinfo is None and 1970 < wall.year < 2200 else None


def shown_moment(value: datetime | None, zone: ZoneInfo) -> str:
    """A moment as an input of a day and a time has it."""
    return "" if value is None else periods.wall(value, zone).strftime("%Y-%m-%dT%H:%M")


def listed(text: str) -> list[str]:
    """Items with commas or spaces between them."""
    return [part for part in text.replace(",", " ").split() if part]
