"""Zones whose clocks change in every way there is, and moments near those changes."""

from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: The same examples every time, and not many of them.
QUICK = settings(
    derandomize=True, deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)

LONDON, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("America/New_York")

#: An hour in spring and autumn, north and south; half an hour; a day left out; no changes, but an odd offset;
#: winter time for a month of the moon; a gap, and a fold, at midnight.
ZONES = (
    LONDON,
    NEW_YORK,
    *map(
        ZoneInfo,
        (
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Kathmandu",
            "Africa/Casablanca",
            "Africa/Cairo",
            "America/Havana",
        ),
    ),
)
_FIRST, _LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    """2026-11-20 12:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def changes() -> tuple[datetime, ...]:
    """The hours, from 2010 to 2030, within which some zone changed its clocks."""
    found = set()
    for zone in ZONES:
        day = _FIRST
        while day < _LAST:
            if _changes(zone, day, 24 * _HOUR):
                hours = (day + count * _HOUR for count in range(24))
                found.add(next(hour for hour in hours if _changes(zone, hour, _HOUR)))
            day += 24 * _HOUR
    return tuple(sorted(found))


def _changes(zone: ZoneInfo, begin: datetime, length: timedelta) -> bool:
    return begin.astimezone(zone).utcoffset() != (begin + length).astimezone(zone).utcoffset()


def times_of_day() -> st.SearchStrategy[time]:
    """Whole minutes, many of them in the hours in which clocks change."""
    return st.builds(time, st.sampled_from((0, 1, 2, 3, 7, 12, 22, 23)), st.integers(0, 59))


def zones() -> st.SearchStrategy[ZoneInfo]:
    return st.sampled_from(ZONES)


@st.composite
def minutes_near_changes(draw: st.DrawFn) -> datetime:
    """A whole minute within a day of a change."""
    return draw(st.sampled_from(changes())) + timedelta(minutes=draw(st.integers(-1440, 1440)))
