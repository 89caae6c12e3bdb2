"""Describe the names that an email offers to its content, and the shape of each.

The shape of a name is derived from an example value. Real values are reduced to that shape: plain texts, numbers,
dictionaries and short lists, so that no object with methods or state gets in.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Example values of the names that an email offers.
Sample = Mapping[str, Any]

#: Characters of one text, and entries of one list; the rest is cut off.
MAX_TEXT, MAX_ENTRIES = 2000, 200


class Scalar(enum.Enum):
    """The shapes that can be printed."""

    text = "text"
    number = "number"


@dataclass(frozen=True, slots=True)
class Record:
    """A value with named parts, such as `user.name`."""

    fields: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Many:
    """A list whose entries have one shape."""

    of: "Shape"


Shape = Scalar | Record | Many

#: The shape of Jinja's variable `loop`.
LOOP = Record(dict.fromkeys(("index", "index0", "revindex", "first", "last", "length"), Scalar.number))


def shape_of(example: Any) -> Shape:
    """Return the shape of an example value."""
    if isinstance(example, Mapping):
        return Record({str(name): shape_of(value) for name, value in example.items()})
    if isinstance(example, list | tuple):
        return Many(shape_of(example[0]) if example else Scalar.text)
    return Scalar.number if isinstance(example, int | float) else Scalar.text


def fit(shape: Shape, value: Any) -> Any:
    """Reduce `value` to plain data of this shape; parts that the shape does not name are dropped.

    Raise KeyError or TypeError for a value of another shape, which is a mistake in our code.
    """
    if isinstance(shape, Record):
        return {name: fit(inner, value[name]) for name, inner in shape.fields.items()}
    if isinstance(shape, Many):
        return [fit(shape.of, entry) for entry in list(value)[:MAX_ENTRIES]]
    if shape is Scalar.number:
        if not isinstance(value, int | float):
            raise TypeError("a number is offered, but this value is not a number")
        return value
    return "" if value is None else str(value)[:MAX_TEXT]
