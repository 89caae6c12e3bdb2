"""Define the few allowed filters. Their constants are bounded, so that none makes long output from a short source."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from notifier.content.schema import Many, Record, Scalar, Shape

#: Limits for a filter's constants: the largest number, and the characters of a text.
MAX_NUMBER, MAX_TEXT = 1000, 100


class Filter(NamedTuple):
    """A filter: its function, the shapes that it accepts, and the shape of its result."""

    run: Callable[..., Any]
    takes: Callable[[Shape], bool]
    gives: Scalar = Scalar.text
    #: The parameters in order, each with the types that its constant may have.
    parameters: Mapping[str, tuple[type, ...]] = {}
    #: The time for the longest text or list, in units of `upper` (about 5 µs for 2,000 characters).
    work: int = 1
    #: Whether its result can be as long as a whole list.
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
    """Capitalise each word. As with Jinja's filter, the letter after an apostrophe stays lower case."""
    return " ".join(word[:1].upper() + word[1:].lower() for word in str(value).split(" "))


def _join(values: Sequence[Any], d: str = "", attribute: str | None = None) -> str:
    return d.join(str(value if attribute is None else value[attribute]) for value in values)


def _default(value: Any, default_value: Any = "", boolean: bool = True) -> Any:
    """Replace an empty text; an offered name is never undefined, so Jinja's own filter would do nothing."""
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
    # All values are escaped later, when they are shown as HTML, so the filter must not escape them again.
    "escape": Filter(lambda value: value, _printable),
}

#: Second names, as in Jinja.
ALIASES = {"d": "default", "count": "length", "e": "escape"}
FILTERS = {**FILTERS, **{alias: FILTERS[name] for alias, name in ALIASES.items()}}


def printed_field(shape: Shape, attribute: str) -> bool:
    """Return whether each entry of this list has the field `attribute` and it can be printed."""
    return isinstance(shape, Many) and isinstance(shape.of, Record) and _printable_field(shape.of, attribute)


def _printable_field(record: Record, attribute: str) -> bool:
    return isinstance(record.fields.get(attribute), Scalar)
