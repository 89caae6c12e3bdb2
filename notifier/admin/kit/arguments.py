"""Read query arguments and forms of the admin in one way: invalid input gets an answer, never a crash."""

import re
from collections.abc import Collection, Mapping

from flask import request
from werkzeug.exceptions import BadRequest, NotFound, RequestURITooLarge
from werkzeug.routing import IntegerConverter

from notifier.mail.characters import broken_in, with_marks

#: Characters above which queries are refused: our longest has a few hundred.
MAX_QUERY = 8000

#: The largest key that both databases can compare.
MAX_KEY = 2**63 - 1

#: Arguments that must be numbers; other values give 404.
_NUMBERS = frozenset({"id", "page", "page_size", "before", "after", "days"})
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
#: No list has more pages than this.
_MAX_PAGE = 100_000


class KeyConverter(IntegerConverter):
    """A primary key in a path."""

    def __init__(self, map: object, *_: object, **__: object) -> None:
        """Limit keys to what databases can compare."""
        super().__init__(map, min=0, max=MAX_KEY)  # type: ignore[arg-type]


class BadArgument(BadRequest):
    """Invalid input in an address or form; the text says what is wrong."""

    def __init__(self, for_people: str) -> None:
        """Build the error. `for_people` is shown."""
        super().__init__()
        self.for_people = for_people


def check_query() -> None:
    """Refuse a query that no page of the admin ever makes."""
    if len(request.query_string) > MAX_QUERY:
        raise RequestURITooLarge
    for name, values in request.args.lists():
        for value in values:
            if "\0" in value or "\0" in name:
                raise BadArgument("The address contains an invalid character. Type it again.")
            if name in _NUMBERS and value and not _NUMBER.fullmatch(value):
                raise NotFound
            if name == "page" and value and int(value) > _MAX_PAGE:
                raise NotFound


def text(name: str, longest: int = 320) -> str:
    """Return the text of a filter, stripped; empty if it is missing."""
    value = request.args.get(name, "").strip()
    if len(value) > longest:
        raise BadArgument("The search text is too long. Shorten it.")
    return value


def choice(name: str, allowed: Collection[str]) -> str:
    """Return one of `allowed`; empty if nothing was chosen."""
    value = request.args.get(name, "")
    if value and value not in allowed:
        raise BadArgument(f"There is no {name.replace('_', ' ')} of this name. Choose one from the list.")
    return value


def number(name: str, default: int, allowed: Collection[int]) -> int:
    """Return one of a few allowed numbers, else `default`."""
    value = request.args.get(name, "")
    return int(value) if value.isdecimal() and int(value) in allowed else default


def key(name: str) -> int | None:
    """Return a primary key; None if it is missing."""
    value = request.args.get(name, "")
    return int(value) if _NUMBER.fullmatch(value) else None


def typed(name: str, longest: int = 500, *, sent: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return (the stripped text of a form's input, what is wrong with it or ""). Not for passwords.

    The text has a mark for each character that cannot be shown, and is complete, so that the form can show it again.
    `sent`: a form that was sent before, instead of this request's.
    """
    value = (request.form if sent is None else sent).get(name, "").strip()
    if len(value) > longest:
        return with_marks(value), f"This text is longer than {longest} characters. Shorten it."
    broken = broken_in(value)
    return with_marks(value), broken and f"This {broken}."


def field(name: str, longest: int = 500) -> str:
    """Return a text that one of our pages put into its form: there is no input in which it could be corrected."""
    value, wrong = typed(name, longest)
    if wrong:
        raise BadArgument("The form contains invalid data. Reload the page and try again.")
    return value


def password(name: str) -> str:
    """Return a password from a form, exactly as typed."""
    return request.form.get(name, "")
