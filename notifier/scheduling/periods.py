"""Compute days, weeks, months and quiet hours of a time zone, correctly over every clock change.

Moments are aware and in UTC. Wall times are naive: they are what a clock in some zone shows. A wall time that a zone
skips (a gap) counts as the first moment after the gap; one that it repeats (a fold) as the first of the two.
"""

import difflib
import functools
import re
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from typing import Literal
from zoneinfo import ZoneInfo

#: Entries of the list of zones that are not the time of any place.
_NO_PLACE = frozenset({"Factory", "localtime", "posixrules"})
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_WEEK, _DAY, _SECOND = timedelta(days=7), timedelta(days=1), timedelta(seconds=1)

#: Whose zone is used: the user's own (''), the campaign's, or UTC.
Fallback = Literal["", "campaign", "utc"]
#: Whether a wall time lies in a gap or a fold; empty for neither.
Mark = Literal["", "gap", "fold"]


@functools.cache
def names() -> frozenset[str]:
    """Return the known zones: those of the tzdata package, so that every machine knows the same."""
    listed = resources.files("tzdata").joinpath("zones").read_text("ascii").split()
    return frozenset(listed) - _NO_PLACE


def zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA name, which must be spelled exactly.

    Raise ValueError with a message for the person who typed it.
    """
    if name in names():
        return ZoneInfo(name)
    spellings = {known.casefold(): known for known in sorted(names())}
    close = difflib.get_close_matches(name[:64].casefold(), spellings, n=1)
    hint = f"Did you mean {spellings[close[0]]}?" if close else "Write a name such as Europe/London, or UTC."
    raise ValueError(f"There is no time zone {name[:64]!r}. {hint}")


def zone_of(user: str | None, campaign: str | None = None) -> tuple[ZoneInfo, Fallback]:
    """Return the zone to use for a person, and whose it is if it is not their own. Never raise."""
    choices: tuple[tuple[str | None, Fallback], ...] = ((user, ""), (campaign, "campaign"))
    for name, fallback in choices:
        if isinstance(name, str) and name in names():
            return _loaded(name), fallback
    return _loaded("UTC"), "utc"


@functools.lru_cache(maxsize=512)
def _loaded(name: str) -> ZoneInfo:
    """Return the zone. ZoneInfo keeps only eight of them, and a digest would read its file for most people."""
    return ZoneInfo(name)


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive wall time of the zone at the moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def mark(wall: datetime, zone: ZoneInfo) -> Mark:
    """Return 'gap' if the zone skips this wall time, 'fold' if it repeats it."""
    first, second = _offset(wall, zone, fold=0), _offset(wall, zone, fold=1)
    if first == second:
        return ""
    return "fold" if first > second else "gap"


def resolve(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a wall time: the first after a gap, and the first of two in a fold."""
    if mark(wall, zone) == "gap":
        return _end_of_gap(wall, zone)
    return (wall - _offset(wall, zone, fold=0)).replace(tzinfo=UTC)


def next_change(begin: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first second after `begin`, up to `end`, at which the zone's offset differs from that at `begin`.

    It detects every offset that lasts for a week. Return None if there is no change.
    """
    offset = begin.astimezone(zone).utcoffset()
    while begin < end:
        low, begin = begin, min(begin + _WEEK, end)
        if begin.astimezone(zone).utcoffset() != offset:
            return _bisect(low, begin, zone)
    return None


def _bisect(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    offset = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def start_of_day(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return midnight of the moment's day."""
    return _midnight(wall(moment, zone).date(), zone)


def start_of_week(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return midnight of the Monday of the moment's week."""
    day = wall(moment, zone).date()
    return _midnight(day - timedelta(days=day.weekday()), zone)


def start_of_month(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return midnight of the first day of the moment's month."""
    return _midnight(wall(moment, zone).date().replace(day=1), zone)


def month_before(moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [since, until) of the calendar month before the moment's month."""
    first = wall(moment, zone).date().replace(day=1)
    return _midnight((first - _DAY).replace(day=1), zone), _midnight(first, zone)


def month_label(since: datetime, zone: ZoneInfo) -> str:
    """Return the moment's month, such as 2026-10."""
    day = wall(since, zone)
    return f"{day.year:04}-{day.month:02}"


def hours(text: str) -> time:
    """Parse a time of day, HH:MM from 00:00 to 23:59.

    Raise ValueError with a message for the person who typed it.
    """
    if not _HOURS.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is not a time of day. Write it as HH:MM, from 00:00 to 23:59.")
    return time.fromisoformat(text)


def leave_quiet(moment: datetime, zone: ZoneInfo, quiet_from: str | None, quiet_to: str | None) -> datetime:
    """Return the moment itself, or the end of the quiet hours [quiet_from, quiet_to) that it lies in.

    Both are HH:MM in the zone; they span midnight if `quiet_from` is the later one. There are no quiet hours if one is
    missing or both are equal. Raise ValueError if one is not a time of day.
    """
    if not quiet_from or not quiet_to:
        return moment
    begin, end = hours(quiet_from), hours(quiet_to)
    while _within(wall(moment, zone).time(), begin, end):
        moment = _next(end, moment, zone)
    return moment


def _within(clock: time, begin: time, end: time) -> bool:
    if begin <= end:
        return begin <= clock < end
    return clock >= begin or clock < end


def _next(clock: time, moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment after `moment` at which the zone shows `clock`; after the gap if the zone skips it."""
    here = wall(moment, zone)
    target = datetime.combine(here.date() if here.time() < clock else here.date() + _DAY, clock)
    first = resolve(target, zone)
    if first > moment:
        return first
    # The clocks went back, so this is the second time that they show it.
    return (target - _offset(target, zone, fold=1)).replace(tzinfo=UTC)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return resolve(datetime.combine(day, time()), zone)


def _offset(wall: datetime, zone: ZoneInfo, *, fold: int) -> timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    return offset or timedelta(0)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clocks jumped over `wall`.

    With the offset after the gap the wall time lies before the jump; with the offset before the gap it lies after it.
    """
    wall = wall.replace(microsecond=0)
    low, high = (wall - _offset(wall, zone, fold=fold) for fold in (1, 0))
    return next_change(low.replace(tzinfo=UTC), high.replace(tzinfo=UTC), zone) or high.replace(tzinfo=UTC)
