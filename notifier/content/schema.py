"""What a mail offers to those who write its words: names, and what each of them is.

The shape of a name is read from an example of its value. Whatever a mail really brings is cut to that shape:
plain texts, numbers, dictionaries and short lists, so nothing with a method or a memory of its own gets in.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: An example of what a mail offers, by name.
Sample = Mapping[str, Any]

#: Characters of one text, and entries of one list: what is beyond is left out.
MAX_TEXT, MAX_ENTRIES = 2000, 200


class Scalar(enum.Enum):
    """What can be printed."""

    text = "text"
    number = "number"


@dataclass(frozen=True, slots=True)
class Record:
    """Things with names: `user.name`."""

    fields: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Many:
    """A list of things alike."""

    of: "Shape"


Shape = Scalar | Record | Many

#: What a loop says about itself.
LOOP = Record(dict.fromkeys(("index", "index0", "revindex", "first", "last", "length"), Scalar.number))


def shape_of(example: Any) -> Shape:
    """The shape of a value such as this one."""
    if isinstance(example, Mapping):
        return Record({str(name): shape_of(value) for name, value in example.items()})
    if isinstance(example, list | tuple):
        return Many(shape_of(example[0]) if example else Scalar.text)
    return Scalar.number if isinstance(example, int | float) else Scalar.text


def fit(shape: Shape, value: Any) -> Any:
    """`value` as plain data of this shape; what the shape does not name is left out.

    Raises KeyError or TypeError where the value is of another shape: a mistake of ours.
    """
    if isinstance(shape, Record):
        return {name: fit(inner, value[name]) for name, inner in shape.fields.items()}
    if isinstance(shape, Many):
        return [fit(shape.of, entry) for entry in list(value)[:MAX_ENTRIES]]
    if shape is Scalar.number:
        if not isinstance(value, int | float):
            raise TypeError("a number is offered, and this is none")
        return value
    return "" if value is None else str(value)[:MAX_TEXT]
