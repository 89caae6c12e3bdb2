"""The few filters, each with what it takes. None makes much out of little: its constants are bounded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from notifier.content.schema import Many, Record, Scalar, Shape

#: What a filter's constants may be at most: numbers, and characters.
MAX_NUMBER, MAX_TEXT = 1000, 100


class Filter(NamedTuple):
    """What it does, what it takes and what it gives."""

    run: Callable[..., Any]
    takes: Callable[[Shape], bool]
    gives: Scalar = Scalar.text
    #: Its parameters in order, each with the types that its constant may have.
    parameters: Mapping[str, tuple[type, ...]] = {}
    #: How long it takes for the longest text or list, in units of `upper` (about 5 µs for 2,000 characters).
    work: int = 1
    #: The text that it gives can be as long as a whole list.
    is_long: bool = False


def _printable(shape: Shape) -> bool:
    return isinstance(shape, Scalar)


def _countable(shape: Shape) -> bool:
    return isinstance(shape, Many) or shape is Scalar.text


def _list(shape: Shape) -> bool:
    return isinstance(shape, Many)


def _texts(shape: Shape) -> bool:
    return isinstance(shape, Many) and isinstance(shape.of, Scalar)


def _truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    text = str(value)
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut if killwords else cut.rpartition(" ")[0] or cut) + end


def _title(value: Any) -> str:
    """Jinja's capitalises what follows an apostrophe properly; so does this."""
    return " ".join(word[:1].upper() + word[1:].lower() for word in str(value).split(" "))


def _join(values: Sequence[Any], d: str = "", attribute: str | None = None) -> str:
    return d.join(str(value if attribute is None else value[attribute]) for value in values)


def _default(value: Any, default_value: Any = "", boolean: bool = True) -> Any:
    """For an empty text: a name that is offered is never missing."""
    return default_value if value is None or value == "" else value


FILTERS: Mapping[str, Filter] = {
    "upper": Filter(lambda value: str(value).upper(), _printable),
    "lower": Filter(lambda value: str(value).lower(), _printable),
    "capitalize": Filter(lambda value: str(value).capitalize(), _printable),
    "title": Filter(_title, _printable, work=60),
    "trim": Filter(lambda value: str(value).strip(), _printable),
    "truncate": Filter(_truncate, _printable, Scalar.text, {"length": (int,), "killwords": (bool,), "end": (str,)}),
    "default": Filter(_default, _printable, Scalar.text, {"default_value": (str, int), "boolean": (bool,)}),
    "length": Filter(len, _countable, Scalar.number),
    "join": Filter(_join, _list, Scalar.text, {"d": (str,), "attribute": (str,)}, work=6, is_long=True),
    "first": Filter(lambda values: values[0] if values else "", _texts),
    "last": Filter(lambda values: values[-1] if values else "", _texts),
    # Everything is escaped where it is shown as HTML; whoever is careful twice does no harm.
    "escape": Filter(lambda value: value, _printable),
}

#: Second names, as in Jinja.
ALIASES = {"d": "default", "count": "length", "e": "escape"}
FILTERS = {**FILTERS, **{alias: FILTERS[name] for alias, name in ALIASES.items()}}


def printed_field(shape: Shape, attribute: str) -> bool:
    """Whether each entry of this list has such a field, and it can be printed."""
    return isinstance(shape, Many) and isinstance(shape.of, Record) and _printable_field(shape.of, attribute)


def _printable_field(record: Record, attribute: str) -> bool:
    return isinstance(record.fields.get(attribute), Scalar)
