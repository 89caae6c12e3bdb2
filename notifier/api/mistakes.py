"""What pydantic refuses, as problems that name each place and repeat no value."""

from collections.abc import Iterable
from itertools import islice

from pydantic import ValidationError

from notifier.api.problems import INVALID, At, Problem, invalid
from notifier.api.shapes import Whereabouts, pointer_to

#: Mistakes that are named: one takes fifteen times the bytes of the field that it is about.
MOST_NAMED = 20

#: From so many on, which no honest request has, finding out what they are takes longer than an answer may.
_TOO_MANY = 1000

#: Characters of the longest name that is repeated.
_LONGEST_NAME = 40


def problem_of(error: ValidationError) -> Problem:
    """Return the problem for what a model of a request refuses: its first mistakes, and how many there are."""
    number = error.error_count()
    if number > _TOO_MANY:
        return Problem(INVALID, f"There are {number:,} mistakes, too many to be named.")
    places = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_NAMED]
    detail = f"There are {number:,} mistakes, of which the first {MOST_NAMED} are named." if number > MOST_NAMED else ""
    return Problem(INVALID, detail, [_at(error.title, each["loc"], each["type"], each["msg"]) for each in places])


def refuse(error: ValidationError) -> None:
    """Raise it."""
    raise problem_of(error)


def in_data(places: Iterable[tuple[tuple[int | str, ...], str]]) -> Problem:
    """Return the problem for data of an email that the schema of its kind refuses."""
    detail = "The kind's schema refuses this."
    named = islice(places, MOST_NAMED)
    return invalid(*(At(pointer_to(("data", *_shown(loc, code))), _code(code), detail) for loc, code in named))


def _at(model: str, loc: tuple[int | str, ...], code: str, message: str) -> At:
    detail = f"{message.removeprefix('Value error, ').rstrip('.')}."
    if Whereabouts.of(model) is Whereabouts.body:
        return At(pointer_to(_shown(loc, code)), _code(code), detail)
    return At(None, _code(code), detail, parameter=str(loc[0]) if loc and _is_plain(loc[0]) else "")


def _shown(loc: tuple[int | str, ...], code: str) -> tuple[int | str, ...]:
    """Return the place without the marks of a choice (`ONE_OF`), and without names that only the client knows."""
    steps = tuple(step for step in loc if not str(step).startswith("("))
    return steps[:-1] if code == "extra_forbidden" and steps and not _is_plain(steps[-1]) else steps


def _is_plain(name: int | str) -> bool:
    """Return whether a name is short and looks like that of a field: another one may be a misplaced value."""
    return isinstance(name, int) or (
        len(name) <= _LONGEST_NAME and name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    )


def _code(code: str) -> str:
    return code.replace("_", "-")
