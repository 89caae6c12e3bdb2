"""Read values out of JSON that others wrote: any type may stand anywhere, and texts may hold any character."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from notifier.inbound.refusals import Unreadable

#: Characters of an id and of an address, which are stored.
MAX_ID, MAX_ADDRESS = 255, 320
#: Entries of one list that are read: events of one post, recipients of one event, headers of one email.
MAX_ENTRIES = 2000
#: Numbers from here on are milliseconds: as seconds they would be in the year 5138.
_MILLISECONDS = 1e11

Object = dict[str, Any]


def loaded(body: bytes | str) -> Any:
    """Return the JSON in `body`. Raise Unreadable."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not JSON") from None


def objects(value: object) -> Iterator[Object]:
    """Yield the objects of a list, or the object itself; nothing of anything else."""
    entries = value[:MAX_ENTRIES] if isinstance(value, list) else [value]
    yield from (each for each in entries if isinstance(each, dict))


def inner(value: object, *path: str) -> Object:
    """Return the object at this path within an object; an empty one if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: object, most: int = MAX_ID) -> str:
    """Return a text or number as one line of `most` characters that a database can store; else an empty text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return "".join(each if each.isprintable() else " " for each in str(value)[:most]).strip()


def texts(value: object, most: int = MAX_ID) -> list[str]:
    """Return the texts of a list, or the text itself, without empty ones."""
    entries = value[:MAX_ENTRIES] if isinstance(value, list) else [value]
    return [found for each in entries if (found := text(each, most))]


def number(value: object) -> int | None:
    """Return a whole number of at most 9 digits, also one that is written as text; None for anything else."""
    written = text(value, 12)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 10 else None


def moment(value: object, now: datetime) -> datetime:
    """Return a time, of seconds or milliseconds since 1970, or written by ISO 8601 with its zone.

    An event cannot be later than its report, so `now` is returned for later times, and for what is no time.
    """
    found = _moment(value)
    return min(found, now) if found else now


def _moment(value: object) -> datetime | None:
    written = text(value, 40)
    try:
        count = float(written)
    except ValueError:
        return _iso(written)
    if not math.isfinite(count) or count <= 0:
        return None
    try:
        return datetime.fromtimestamp(count / 1000 if count >= _MILLISECONDS else count, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _iso(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
        # A time without a zone may be up to 14 hours off, which would put events in the wrong order.
        return found.astimezone(UTC) if found.tzinfo else None
    except (OverflowError, ValueError):
        return None
