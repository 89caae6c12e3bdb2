"""The mistakes that pydantic finds in a campaign's fields, in plain sentences."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_NUMBER = "Enter a number, such as 2.5."
_WHOLE = "Enter a whole number, such as 10."
_MOMENT = "Enter a date and time with its time zone, such as 2026-12-24T09:00:00Z."
_TABLE = 'Write a table, such as {{name = "value"}}.'
_LIST = 'Write a list in brackets, such as ["One.", "Two."].'
_TEXT = "Enter text. On the command line, put it in quotes."

#: By pydantic's type of error; in braces a value of its context, and the unit of the field.
SENTENCES: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "there is no such setting",
    "greater_than": "Enter more than {gt}{unit}.",
    "greater_than_equal": "Enter at least {ge}{unit}.",
    "less_than": "Enter less than {lt}{unit}.",
    "less_than_equal": "Enter at most {le}{unit}.",
    "finite_number": _NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "This number is too large.",
    "bool_type": "Enter true or false.",
    "bool_parsing": "Enter true or false.",
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": "This holds a character that cannot be shown. Delete it and type it again.",
    "string_too_short": "Enter at least {min_length} characters.",
    "string_too_long": "Enter at most {max_length} characters.",
    "too_short": "This must not be empty.",
    "too_long": "Enter at most {max_length} of them.",
    "enum": "Choose one of these: {expected}.",
    "literal_error": "Choose one of these: {expected}.",
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "timezone_aware": _MOMENT,
}

#: Units of fields that are numbers.
_UNITS = {"lifetime": "seconds", "misfire_within": "seconds", "every": "seconds", "not_after": "days"}


def sentence(kind: str, values: Mapping[str, Any], unit: str = "") -> str:
    """Return the sentence for an error of this type. Raise KeyError for an unknown type."""
    shown = {name: f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value
             for name, value in values.items()}  # fmt: skip
    return SENTENCES[kind].format_map(shown | {"unit": unit and f" {unit}"})


def plain(error: ErrorDetails) -> str:
    """Return the message of one error for people. Our own messages and unknown ones stay as they are."""
    kind, values = error["type"], error.get("ctx", {})
    if kind == "too_long" and values["field_type"] == "Value":
        # The limit of a text that validators of ours check first.
        kind = "string_too_long"
    if kind in SENTENCES:
        unit = _UNITS.get(str(error["loc"][-1]), "") if error["loc"] else ""
        return sentence(kind, values, unit)
    words = error["msg"].removeprefix("Value error, ")
    return f"This{words.removeprefix('Input')}." if words.startswith("Input ") else words
