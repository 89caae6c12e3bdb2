"""Values of an email: which can be parts of a key, and which can be printed into a hole."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

#: Immutable types whose values always print the same.
PLAIN = frozenset({str, int, float, bool, type(None)})
#: Without float, because 0.0 and -0.0 are equal.
COMPARABLE = PLAIN - {float}

Key = tuple[object, ...]


class Unfit(Exception):
    """A value that does not fit the holes, so this email has to be rendered."""


def comparable(value: object) -> object:
    """Return `value` as part of a key. Of compound values only lists of texts, such as paragraphs, are supported."""
    if type(value) in COMPARABLE:
        return value
    if isinstance(value, list | tuple) and type(value) in (list, tuple) and {str}.issuperset(map(type, value)):
        return tuple(value)
    raise Unfit("a value that is not plain")


def getter(names: Sequence[Any]) -> Callable[[Any], tuple[object, ...]]:
    """Return a function that takes these values from a mapping, or from a sequence."""
    if len(names) > 1:
        return itemgetter(*names)  # in C
    return lambda values: tuple([values[name] for name in names])
