"""What addresses and forms of the admin say, read in one way: nonsense is answered, never a crash."""

import re
from collections.abc import Collection

from flask import request
from werkzeug.exceptions import BadRequest, NotFound, RequestURITooLarge
from werkzeug.routing import IntegerConverter

from notifier.mail.characters import broken_in, with_marks

#: Longer queries are not read: the longest of ours has a few hundred characters.
MAX_QUERY = 8000

#: What both databases can compare a key with.
MAX_KEY = 2**63 - 1

#: Of numbers in an address; whatever else stands there leads nowhere.
_NUMBERS = frozenset({"id", "page", "page_size", "before", "after", "days"})
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
#: Pages beyond are nobody's wish.
_MAX_PAGE = 100_000


class KeyConverter(IntegerConverter):
    """A primary key in a path."""

    def __init__(self, map: object, *_: object, **__: object) -> None:
        """Within what databases can compare."""
        super().__init__(map, min=0, max=MAX_KEY)  # type: ignore[arg-type]


class BadArgument(BadRequest):
    """Something that a person may have typed into an address or form; the words say what."""

    def __init__(self, for_people: str) -> None:
        """`for_people` is shown."""
        super().__init__()
        self.for_people = for_people


def check_query() -> None:
    """Refuse what no page of ours ever asks for, whichever page it is."""
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
    """The text of a filter without spaces around it; empty where there is none."""
    value = request.args.get(name, "").strip()
    if len(value) > longest:
        raise BadArgument("The search text is too long. Shorten it.")
    return value


def choice(name: str, allowed: Collection[str]) -> str:
    """One of `allowed`; empty where nothing was chosen."""
    value = request.args.get(name, "")
    if value and value not in allowed:
        raise BadArgument(f"There is no {name.replace('_', ' ')} of this name. Choose one from the list.")
    return value


def number(name: str, default: int, allowed: Collection[int]) -> int:
    """One of a few numbers."""
    value = request.args.get(name, "")
    return int(value) if value.isdecimal() and int(value) in allowed else default


def key(name: str) -> int | None:
    """A primary key; None where there is none."""
    value = request.args.get(name, "")
    return int(value) if _NUMBER.fullmatch(value) else None


def typed(name: str, longest: int = 500) -> tuple[str, str]:
    """Return (the text of a form's input without spaces around it, what is wrong with it or ""). Never a password.

    The text has a mark for each character that cannot be shown, and is all that was typed: for the form once more.
    """
    value = request.form.get(name, "").strip()
    if len(value) > longest:
        return with_marks(value), f"This text is longer than {longest} characters. Shorten it."
    broken = broken_in(value)
    return with_marks(value), broken and f"This {broken}."


def field(name: str, longest: int = 500) -> str:
    """A text that a page of ours put into its form: there is no input in which it could be mended."""
    value, wrong = typed(name, longest)
    if wrong:
        raise BadArgument("The form contains invalid data. Reload the page and try again.")
    return value


def password(name: str) -> str:
    """A password from a form, exactly as typed."""
    return request.form.get(name, "")
