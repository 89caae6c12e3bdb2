"""Inputs for WTForms that show again exactly what was typed, and say in words what is wrong with it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

import wtforms
from wtforms.fields import SelectChoice
from wtforms.validators import ValidationError
from wtforms.widgets import TextArea, TextInput

from notifier.admin.kit.numbers import number_in
from notifier.emails.mistakes import sentence
from notifier.mail.characters import BROKEN, broken_in, with_marks

#: Units that people choose for a length of time, in seconds.
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}

#: Characters of a text; the limits of what it is for are far below.
LONGEST = 60_000

#: What WTForms' own fields take.
_OPTIONS = frozenset(
    {"validators", "filters", "id", "default", "widget", "name", "_form", "_prefix", "_translations", "_meta"}
)

#: The longest length of time that a column holds, in seconds.
MAX_SECONDS = 2**31 - 1


class Form(wtforms.Form):  # type: ignore[misc]  # WTForms ships no types
    """A form without a CSRF token of its own: Flask-WTF's CSRFProtect asks for one in front of every view."""


class Typed(wtforms.Field):  # type: ignore[misc]  # WTForms ships no types
    """A text without spaces around it. `data` is what it means: None if it is empty or wrong."""

    widget = TextInput()
    #: As it was typed, with a mark for each character that cannot be shown.
    typed: str = ""

    def __init__(self, label: str, description: str = "", **options: Any) -> None:
        """`options` that WTForms does not know are attributes of the element."""
        known = {name: options.pop(name) for name in list(options) if name in _OPTIONS}
        super().__init__(label, description=description, render_kw=options, **known)

    def process_data(self, value: Any) -> None:
        """Show a value."""
        self.data, self.typed = value, "" if value is None else self.shown(value)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Read what was typed. Raise ValueError with words for people."""
        self.data, self.typed = None, (valuelist[-1] if valuelist else "").strip()
        found = BROKEN.search(self.typed)
        if found is not None:
            broken, self.typed = broken_in(self.typed), with_marks(self.typed)
            raise ValueError(f"This {broken}.")
        if len(self.typed) > LONGEST:
            raise ValueError(f"This text is longer than {LONGEST:,} characters. Shorten it.")
        if self.typed:
            self.data = self.read(self.typed)

    def read(self, text: str) -> Any:
        """Return what `text` means. Raise ValueError with words for people."""
        return text

    def shown(self, value: Any) -> str:
        """Return `value` as people type it."""
        return str(value)

    def _value(self) -> str:
        """Return what stands in the element: WTForms' widgets ask for it."""
        return self.typed


class Needed:
    """A validator: something has to be there."""

    field_flags: ClassVar = {"required": True}

    def __call__(self, form: object, field: Typed) -> None:
        """Raise ValidationError if nothing was typed."""
        if not field.typed:
            raise ValidationError("This field is required.")


class Within:
    """A validator: a number above `above`, of at most `most`, both in `unit`."""

    def __init__(self, above: int, most: int, unit: str) -> None:
        """Use the sentences of the campaigns' own checks, in the unit that people type."""
        self._above, self._most, self._unit = above, most, unit

    def __call__(self, form: object, field: Typed) -> None:
        """Raise ValidationError for a number that is too small or too large."""
        if field.data is None:
            return
        if field.data <= self._above:
            raise ValidationError(sentence("greater_than", {"gt": self._above}, self._unit))
        if field.data > self._most:
            raise ValidationError(sentence("less_than_equal", {"le": self._most}, self._unit))


class Number(Typed):
    """A number; a comma is read as a decimal mark, as is a dot."""

    def __init__(self, label: str = "", description: str = "", *, whole: bool = False, **options: Any) -> None:
        """`whole`: without decimals."""
        self._whole = whole
        super().__init__(label, description, **{"inputmode": "numeric" if whole else "decimal"} | options)

    def read(self, text: str) -> Any:
        """Return an int if it is whole, else a Decimal."""
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return int(text)
        value = number_in(text, example="10" if self._whole else "2.5")
        if self._whole and value != int(value):
            raise ValueError("Enter a whole number, such as 10.")
        return int(value) if value == int(value) else value

    def shown(self, value: Any) -> str:
        """Return it without an exponent."""
        return f"{Decimal(f'{value:.15g}'):f}"


class Numbers(Typed):
    """Whole numbers with commas or spaces between them."""

    def read(self, text: str) -> list[int]:
        """Return them in their order."""
        parts = listed(text)
        if not all(part.isascii() and part.isdecimal() and len(part) <= 15 for part in parts):
            raise ValueError("Enter whole numbers separated by commas, such as 1, 3, 7.")
        return list(map(int, parts))

    def shown(self, value: Sequence[int]) -> str:
        """Return them with commas."""
        return ", ".join(map(str, value))


class Listed(Typed):
    """Words with commas or spaces between them."""

    def read(self, text: str) -> list[str]:
        """Return the words."""
        return listed(text)

    def shown(self, value: Sequence[str]) -> str:
        """Return them with commas."""
        return ", ".join(value)


class Paragraphs(Typed):
    """Texts with an empty line between them."""

    widget = TextArea()

    def read(self, text: str) -> list[str]:
        """Return the texts, each as one line."""
        parts = text.replace("\r\n", "\n").split("\n\n")
        return [" ".join(line.strip() for line in part.strip().splitlines()) for part in parts if part.strip()]

    def shown(self, value: Sequence[str]) -> str:
        """Return them with an empty line between them."""
        return "\n\n".join(map(str, value))


class Moment(Typed):
    """A day and a time in a zone that the field does not know: a naive datetime, to the minute."""

    widget = TextInput("datetime-local")

    def read(self, text: str) -> datetime:
        """Return the wall time."""
        try:
            wall: datetime | None = datetime.fromisoformat(text)
        except ValueError:
            wall = None
        if wall is None or wall.tzinfo is not None or not 1970 < wall.year < 2200:
            raise ValueError("Choose a day and a time, such as 2026-12-24 09:00.")
        return wall.replace(second=0, microsecond=0)

    def shown(self, value: datetime) -> str:
        """Return it as the input has it."""
        return f"{value:%Y-%m-%dT%H:%M}"


class Day(Typed):
    """A day."""

    widget = TextInput("date")

    def read(self, text: str) -> date:
        """Return the day."""
        try:
            day: date | None = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or not 1970 < day.year < 2200:
            raise ValueError("Choose a day, such as 2026-12-24.")
        return day


class Clock(Typed):
    """A time of day."""

    widget = TextInput("time")

    def read(self, text: str) -> time:
        """Return it to the minute: some browsers add seconds."""
        try:
            return datetime.strptime(text[:5], "%H:%M").time()  # noqa: DTZ007 (a time of day has no zone)
        except ValueError:
            raise ValueError("Enter a time of day as HH:MM, such as 09:00.") from None

    def shown(self, value: time) -> str:
        """Return it as HH:MM."""
        return f"{value:%H:%M}"


class Box(wtforms.BooleanField):  # type: ignore[misc]  # WTForms ships no types
    """A box to tick."""

    def _value(self) -> str:
        return "yes"


class Choice(wtforms.SelectField):  # type: ignore[misc]  # WTForms ships no types
    """One of several: value -> label, or value -> (label, a sentence about it)."""

    def __init__(
        self, label: str, options: Mapping[str, str | tuple[str, str]], description: str = "", *,
        wrong: str = "Choose one from the list.", **rest: Any,
    ) -> None:  # fmt: skip
        """`wrong`: the words for a choice that there is not."""
        pairs = {value: (each, "") if isinstance(each, str) else each for value, each in options.items()}
        self.labels = {value: name for value, (name, _) in pairs.items()}
        self.sentences = {value: sentence for value, (_, sentence) in pairs.items()}
        choices = [SelectChoice(*each) for each in self.labels.items()]
        super().__init__(label, description=description, choices=choices, invalid_choice_message=wrong, **rest)


class Ticks(wtforms.SelectMultipleField):  # type: ignore[misc]  # WTForms ships no types
    """Any number of several; what is not in the list counts as not ticked."""

    def __init__(self, label: str, options: Mapping[str, str], **rest: Any) -> None:
        """`options`: value -> label."""
        self.labels = options
        choices = [SelectChoice(*each) for each in options.items()]
        super().__init__(label, choices=choices, validate_choice=False, **rest)


class _Length(Form):
    """The two inputs of a length of time."""

    number = Number(maxlength=9)
    unit = Choice("unit", {unit: unit for unit in UNITS}, default="hours")
    seconds: int | None = None

    def validate_number(self, field: Number) -> None:
        """Count the seconds. Raise ValidationError."""
        if field.data is None:
            return
        exact = Decimal(field.data) * UNITS.get(self.unit.data, 1)
        if exact < 1:
            raise ValidationError("Enter 1 or more, or leave it empty." if not exact else "This is too short.")
        if exact != int(exact):
            raise ValidationError("This is no whole number of seconds. Choose a smaller unit.")
        self.seconds = min(int(exact), MAX_SECONDS)


class Length(wtforms.FormField):  # type: ignore[misc]  # WTForms ships no types
    """A length of time: a number and its unit, in the inputs `<name>-number` and `<name>-unit`."""

    def __init__(self, label: str, description: str = "", **rest: Any) -> None:
        """See the class."""
        super().__init__(_Length, label, description=description, **rest)

    @property
    def seconds(self) -> int | None:
        """What it means; None if it is empty or wrong, or was not validated yet."""
        found: int | None = self.form.seconds
        return found


def in_units(seconds: int | None, default: str = "hours") -> dict[str, Any]:
    """Return the inputs of a length, in the largest unit that says it exactly."""
    unit = default if not seconds else next(unit for unit, size in UNITS.items() if not seconds % size)
    return {"number": seconds // UNITS[unit] if seconds else None, "unit": unit}


def listed(text: str) -> list[str]:
    """Items with commas or spaces between them."""
    return [part for part in text.replace(",", " ").split() if part]
