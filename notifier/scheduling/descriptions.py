"""Describe schedules and slots in plain English."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.english import about, counted
from notifier.scheduling import periods
from notifier.scheduling.cron_descriptions import describe_cron
from notifier.scheduling.schedule import Schedule

EACH_ZONE = "in each recipient's time zone"

_UNITS = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}


def describe(schedule: Schedule) -> str:
    """Describe when a schedule is due, such as "every day at 09:00 (Europe/London)", with its bounds if it has any."""
    zone = f" ({schedule.zone.key})"
    place = f" {EACH_ZONE}" if schedule.recipient_local else zone
    if schedule.once_at is not None:
        return f"once, on {_moment(schedule.once_at, schedule)}{place}"
    if schedule.cron is not None:
        return _bounded(describe_cron(schedule.cron) + place, schedule, "" if place == zone else zone)
    if schedule.every is not None:
        return _bounded(_every(schedule.every), schedule, zone)
    return "only when started manually"


def local_time(schedule: Schedule, slot: datetime, first: datetime | None = None, last: datetime | None = None) -> str:
    """Describe when the emails of a slot in each recipient's time zone are sent.

    For example: "Sun 30 Nov, 10:00 in each recipient's time zone; first 29 Nov 20:00 UTC, last 26 hours later". Without
    `first` and `last`, when the first and the last recipient are due, the span covers all zones of the earth.
    """
    wall = periods.wall(slot, schedule.zone)
    span = first_and_last(first or schedule.run_at(slot), last or schedule.last_at(slot))
    return f"{wall:%a} {wall.day} {wall:%b}, {_clock(wall)} {EACH_ZONE}; {span}"


def local_slot(slot: datetime, zone: ZoneInfo) -> str:
    """Format a slot in each recipient's time zone: its day, with the year, and its time."""
    wall = periods.wall(slot, zone)
    return f"{wall:%a} {wall.day} {wall:%b %Y}, {_clock(wall)} {EACH_ZONE}"


def first_and_last(first: datetime, last: datetime) -> str:
    """Format a span as "first 29 Nov 20:00 UTC, last 26 hours later"."""
    utc = first.astimezone(UTC)
    return f"first {utc.day} {utc:%b %H:%M} UTC, last {about(last - first)} later"


def _bounded(text: str, schedule: Schedule, zone: str) -> str:
    bounds = ""
    if schedule.start_at is not None:
        bounds += f", from {_moment(schedule.start_at, schedule)}"
    if schedule.end_at is not None:
        bounds += f", until {_moment(schedule.end_at, schedule)}"
    return text + bounds + zone if bounds else text


def _every(step: timedelta) -> str:
    days, rest = divmod(step, timedelta(days=1))
    # One day is "every 24 hours", because an interval does not follow clock changes.
    if days > 1 and not rest:
        return f"every {counted(days, 'day')}"
    unit = next(unit for unit, length in _UNITS.items() if not step % length)
    count = step // _UNITS[unit]
    return f"every {unit}" if count == 1 else f"every {counted(count, unit)}"


def _moment(moment: datetime, schedule: Schedule) -> str:
    wall = periods.wall(moment, schedule.zone)
    return f"{wall.day} {wall:%B} {wall.year} at {_clock(wall)}"


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
