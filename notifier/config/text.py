"""Settings as text: how values of the environment are read, and the line for a wrong one.

docs/settings.md has the same line for each setting: its tables are made from the fields.
"""

import types
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import ValidationError
from pydantic.fields import FieldInfo

#: Characters that pasting or an editor leaves at the ends of a value.
_OUTER = "\ufeff\u200b"

#: A space at either end may be part of the value here, and is never shown, so it is refused instead of trimmed.
_EXACT = frozenset({"mail_password", "inbound_imap_password"})


@dataclass(frozen=True, slots=True)
class Must:
    """The description of allowed values, if the type does not say it. It follows "must be" in an error message."""

    text: str


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number, in the plural."""

    name: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """Stands for a value that could not be read. It follows the name of the setting in an error message."""

    text: str


@dataclass(frozen=True, slots=True)
class Unset:
    """The effective value while a setting without a default is not set, for docs/settings.md."""

    text: str


def tidied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` without space around text, and without empty ones, which count as not set.

    Raise ValueError with one line for each text that no setting may have.
    """
    problems = [f"{name.upper()}: {wrong}" for name, value in values.items() for wrong in _mistakes(name, value)]
    if problems:
        raise ValueError("\n".join(problems))
    trimmed = {name: _trimmed(value) if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in trimmed.items() if value != ""}


def _trimmed(text: str) -> str:
    return text.strip().strip(_OUTER).strip()


def _mistakes(name: str, value: Any) -> Iterator[str]:
    """Yield at most one."""
    if isinstance(value, Mistake):
        yield value.text
    if not isinstance(value, str):
        return
    text = _trimmed(value)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        yield "the quotes around it are part of the value: remove them"
    elif name in _EXACT and text not in ("", value):
        yield "begins or ends with a space or a line break: remove it"
    elif any("\ud800" <= char <= "\udfff" for char in text):
        yield "is not UTF-8: write it again"
    elif control := next((char for char in text if unicodedata.category(char) in {"Cc", "Zl", "Zp"}), None):
        yield f"holds a line break or control character (U+{ord(control):04X}): remove it"


def allowed(field: FieldInfo) -> str:
    """Return what a value of this setting must be, as it follows "must be"."""
    for each in field.metadata:
        if isinstance(each, Must):
            return each.text
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        *others, last = get_args(kind)
        return f"{', '.join(others)} or {last}"
    if kind is bool:
        return "1 or 0 (also true, false, yes, no, on, off)"
    if kind in (int, float):
        return _number(field, "whole number" if kind is int else "number")
    most = "".join(f", {each.max_length} characters at most" for each in field.metadata if isinstance(each, MaxLen))
    return "a path; ~ is your home folder" if kind is Path else f"text in one line{most}"


def _kind(annotation: Any) -> Any:
    """Return the type of a setting without its `| None`."""
    if get_origin(annotation) in (types.UnionType, Union):
        (annotation,) = (each for each in get_args(annotation) if each is not type(None))
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _number(field: FieldInfo, noun: str) -> str:
    """Describe a number. Each has a lower and an upper limit; pydantic keeps them in this order."""
    unit = "".join(f" of {each.name}" for each in field.metadata if isinstance(each, Unit))
    match [each for each in field.metadata if isinstance(each, (Ge, Gt, Le, Lt))]:
        case [Ge(ge), Le(le)]:
            limits = f" from {ge} to {le}"
        case [Gt(gt), Le(le)]:
            limits = f" above {gt}, {le} at most"
        case [Gt(gt), Lt(lt)]:
            limits = f" above {gt} and below {lt}"
        case found:
            raise TypeError(f"a setting needs a lower and an upper limit: {found}")
    return f"a {noun}{unit}{limits}"


def lines(error: ValidationError, fields: Mapping[str, FieldInfo]) -> list[str]:
    """Return one line for each mistake, without the value: it may be a secret."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        text = item["msg"].removeprefix("Value error, ") if item["type"] == "value_error" else ""
        if not item["loc"]:
            found += text.splitlines()
            continue
        name = str(item["loc"][0])
        found.append(f"{name.upper()}: {text or f'must be {allowed(fields[name])}'}")
    return found
