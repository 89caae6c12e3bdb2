"""How people read durations, lists and names of days: in the British English of Unicode's CLDR, by Babel.

British, as the rest of what notifier writes: "a, b and c" without a comma before "and", and the day before the month.
"""

import math
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

from babel import Locale
from babel.dates import format_timedelta, get_day_names, get_month_names
from babel.lists import format_list
from babel.units import format_unit

LOCALE = Locale("en", "GB")

#: January is 1.
MONTHS = get_month_names("wide", locale=LOCALE)
#: Monday is 0.
WEEKDAYS = get_day_names("wide", locale=LOCALE)

#: A unit is used from so many of it on: 100 minutes say more than 2 hours.
_AT_LEAST = 2

#: English has four forms of ordinals.
_SUFFIXES = {"one": "st", "two": "nd", "few": "rd", "other": "th"}


def listed(items: Iterable[str]) -> str:
    """Return "a, b and c"; nothing for no items."""
    given = list(items)
    if len(given) > _FEW:
        return format_list(given, locale=LOCALE)
    # Emails list a few things all the time, and the words between them depend on their number alone.
    return "".join([part for pair in zip(_between(len(given)), given, strict=True) for part in pair])


#: Lists of up to so many things are put together from what Babel writes between them.
_FEW = 10


@lru_cache(maxsize=_FEW + 1)
def _between(number: int) -> tuple[str, ...]:
    """Return what stands before each of so many things."""
    listed_marks = format_list(["\0"] * number, locale=LOCALE)
    return tuple(listed_marks.split("\0")[:-1])


def either(items: Iterable[str]) -> str:
    """Return "a, b or c"; nothing for no items."""
    return format_list(list(items), style="or", locale=LOCALE)


def about(span: timedelta | float) -> str:
    """Return a time in one unit: "90 seconds", "12 minutes", "3 weeks". `span` is in seconds or a timedelta."""
    return format_timedelta(_delta(span), threshold=_AT_LEAST, locale=LOCALE)


def at_most(seconds: float) -> str:
    """Return `about` so many seconds, rounded up: after such a wait the time is over."""
    size = next((size for size in (3600, 60) if seconds >= _AT_LEAST * size), 1)
    return about(math.ceil(seconds / size) * size)


def ago(span: timedelta | float) -> str:
    """Return how long ago something was, in one unit: "5 minutes ago", or "in 5 minutes" if `span` is negative."""
    if abs(_delta(span)) < timedelta(seconds=1):
        return "just now"
    return format_timedelta(-_delta(span), threshold=_AT_LEAST, add_direction=True, locale=LOCALE)


def duration(span: timedelta | float) -> str:
    """Return a time in its two largest units, rounded to minutes: "3 hours, 20 minutes". Under two, in seconds."""
    delta = _delta(span)
    if delta < timedelta(minutes=_AT_LEAST):
        return about(max(delta, timedelta(seconds=1)))
    hours, minutes = divmod(round(delta / timedelta(minutes=1)), 60)
    counts = {"day": hours // 24, "hour": hours % 24, "minute": minutes}
    parts = [counted(count, unit) for unit, count in counts.items() if count]
    return format_list(parts[:2], style="unit", locale=LOCALE)


def counted(count: float, unit: str) -> str:
    """Return "1 hour" or "1,200 hours". `unit` is day, hour, minute or second."""
    return format_unit(count, f"duration-{unit}", locale=LOCALE)


def ordinal(number: int) -> str:
    """Return "1st", "22nd", "13th"."""
    return f"{number}{_SUFFIXES[LOCALE.ordinal_form(number)]}"


def _delta(span: timedelta | float) -> timedelta:
    return span if isinstance(span, timedelta) else timedelta(seconds=span)
