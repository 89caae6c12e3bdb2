"""The settings of a kind of mail as inputs, from its pydantic model: whatever a new kind asks for gets one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from notifier.admin.campaigns.inputs import Fields, Problems, listed

#: In front of the names of the inputs.
PREFIX = "settings-"


@dataclass(frozen=True, slots=True)
class Input:
    """One input."""

    name: str
    label: str
    hint: str
    #: text, lines, number, numbers, choice, box
    kind: str
    required: bool
    choices: Sequence[str] = ()
    least: Any = None
    most: Any = None
    longest: int | None = None

    @property
    def id(self) -> str:
        """Of the element, and its name in the form."""
        return PREFIX + self.name


def inputs(model: type[BaseModel]) -> list[Input]:
    """The inputs of a model, in the order of its fields."""
    return [_input(name, field) for name, field in model.model_fields.items()]


def _input(name: str, field: FieldInfo) -> Input:
    kind, choices = _kind(field.annotation)
    limits = {type(each): each for each in field.metadata}
    least, most, longest = (
        limits.get(each) for each in (annotated_types.Ge, annotated_types.Le, annotated_types.MaxLen)
    )
    return Input(
        name,
        field.title or name.replace("_", " ").capitalize(),
        field.description or "",
        kind,
        field.is_required(),
        choices,
        getattr(least, "ge", None),
        getattr(most, "le", None),
        getattr(longest, "max_length", None) if kind == "text" else None,
    )


def _kind(annotation: Any) -> tuple[str, Sequence[str]]:
    """Which input, and what it lets people choose from."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _kind(next(part for part in parts if part is not type(None)))
    if origin is Literal:
        return "choice", [str(part) for part in parts]
    if origin in (tuple, list, set, frozenset):
        return ("numbers" if parts and parts[0] is int else "lines"), ()
    if hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    return {bool: "box", int: "number", float: "number"}.get(annotation, "text"), ()


def shown(model: type[BaseModel], settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The texts of the inputs for what is stored; what is not stored has its default."""
    texts = {}
    for each in inputs(model):
        texts[each.id] = _text(each, settings.get(each.name, _default(model.model_fields[each.name])))
    return texts


def _text(each: Input, value: Any) -> list[str]:
    if each.kind == "box":
        return ["yes"] if value else []
    if value is None:
        return [""]
    if each.kind == "numbers":
        return [", ".join(map(str, value))]
    if each.kind == "lines":
        return ["\n\n".join(map(str, value))]
    return [str(value)]


def read(
    model: type[BaseModel],
    fields: Fields,
    problems: Problems,
    was: Mapping[str, Any] | None = None,
    kept: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """What the inputs say. What is empty is left out, and so is a default that was (`was`) not written before.

    `kept`: settings without an input, which stay as they were.
    """
    values = {name: value for name, value in (was or {}).items() if name in kept}
    for each in inputs(model):
        if each.name in kept:
            continue
        value = _value(each, fields, problems)
        if value is None or (each.name not in (was or {}) and value == _default(model.model_fields[each.name])):
            continue
        values[each.name] = value
    return values


def typed_again(model: type[BaseModel], fields: Fields, kept: frozenset[str], was: Mapping[str, Any]) -> list[str]:
    """Return the labels of settings that have no input any more, and that a form from before changes nevertheless."""
    found = []
    for each in inputs(model):
        if each.name in kept and fields.all(each.id):
            before = _text(each, was.get(each.name, _default(model.model_fields[each.name])))
            now = [text.replace("\r\n", "\n").strip() for text in fields.all(each.id)]
            found += [each.label] if now != before else []
    return found


def _default(field: FieldInfo) -> Any:
    """As JSON has it; None where there is none."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def _value(each: Input, fields: Fields, problems: Problems) -> Any:
    text = fields.one(each.id)
    if each.kind == "box":
        return bool(text)
    if not text:
        if each.required:
            problems.add(each.id, "This field is required.")
        return None
    if each.kind == "lines":
        parts = text.replace("\r\n", "\n").split("\n\n")
        return [" ".join(line.strip() for line in part.strip().splitlines()) for part in parts if part.strip()]
    if each.kind in ("number", "numbers"):
        return _numbers(each, text, problems)
    return text


def _numbers(each: Input, text: str, problems: Problems) -> Any:
    several = each.kind == "numbers"
    try:
        found = [_number(part) for part in (listed(text) if several else [text])]
    except ValueError:
        words = "Enter numbers separated by commas, such as 1, 3, 7." if several else "Enter a number, such as 10."
        problems.add(each.id, words)
        return None
    return found if several else found[0]


def _number(text: str) -> int | float:
    if len(text) > 15:
        raise ValueError(text)
    return float(text) if "." in text else int(text)


def place(model: type[BaseModel], path: str, words: str) -> tuple[str, str]:
    """The input, and the words for people, of a mistake that the model found at `path` (without "settings")."""
    name = path.partition(".")[0]
    first, _, rest = words.partition(" ")
    if not name and first in model.model_fields:
        label = next(each.label for each in inputs(model) if each.name == first)
        return PREFIX + first, f"\u201c{label}\u201d {rest}"
    return (PREFIX + name, words) if name in model.model_fields else ("section-settings", words)
