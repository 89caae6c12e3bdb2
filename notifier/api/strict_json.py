"""Read JSON that can be read in only one way (RFC 8259, and I-JSON of RFC 7493).

What two readers could take for different things is refused: a proxy, a log and we must not disagree about a request.
"""

import json
import math
from typing import Any, Final, NoReturn

#: Levels of arrays and objects.
DEEPEST: Final = 64

#: Characters of one number: those of a hundred digits are read in a time that grows with their square.
LONGEST_NUMBER: Final = 64


class NotStrict(ValueError):
    """The bytes are refused; the message says why, and quotes nothing."""


def read(body: bytes) -> Any:
    """Return the value. Raise NotStrict."""
    if not body.strip():
        raise NotStrict("the body is empty")
    if body.startswith((b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")):
        raise NotStrict("the body begins with a byte order mark")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotStrict("the body is not UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except RecursionError:
        raise NotStrict(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise NotStrict(f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    _check(value, texts="\\u" in text)
    return value


_TOO_DEEP: Final = f"the body has more than {DEEPEST} levels"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("an object of the body has a key twice")
    return found


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise NotStrict(f"the body has a number of more than {LONGEST_NUMBER} characters")
    return int(text)


def _number(text: str) -> float:
    if len(text) > LONGEST_NUMBER:
        raise NotStrict(f"the body has a number of more than {LONGEST_NUMBER} characters")
    value = float(text)
    if math.isinf(value):
        raise NotStrict("the body has a number that is too large")
    return value


def _constant(_text: str) -> NoReturn:
    raise NotStrict("the body has NaN or Infinity, which JSON does not have")


def _check(value: Any, *, texts: bool) -> None:
    """Raise NotStrict for too many levels and, if `texts`, for texts that no database can store.

    Only an escape can write such a character: the bytes themselves are UTF-8 without control characters.
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
                if texts:
                    below.extend(each)
            elif isinstance(each, list):
                below.extend(each)
            elif texts and isinstance(each, str):
                _check_text(each)
        if not below:
            return
        level = below
    raise NotStrict(_TOO_DEEP)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise NotStrict("a text of the body has the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotStrict("a text of the body has half of a surrogate pair") from None
