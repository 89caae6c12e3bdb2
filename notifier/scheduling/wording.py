"""A schedule in plain English."""

from datetime import datetime, timedelta

from notifier import periods
from notifier.scheduling.cron_words import cron_words
from notifier.scheduling.schedule import Schedule

_UNITS = ((timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"), (timedelta(seconds=1), "second"))


def words(schedule: Schedule) -> str:
    """When it is due, such as "every day at 09:00 (Europe/London)", with its bounds where it has any."""
    zone = f" ({schedule.zone.key})"
    place = " where the reader is" if schedule.recipient_local else zone
    if schedule.once_at is not None:
        return f"once, on {_moment(schedule.once_at, schedule)}{place}"
    if schedule.cron is not None:
        return _bounded(cron_words(schedule.cron) + place, schedule, "" if place == zone else zone)
    if schedule.every is not None:
        return _bounded(_every(schedule.every), schedule, zone)
    return "only when somebody starts it"


def _bounded(text: str, schedule: Schedule, zone: str) -> str:
    bounds = ""
    if schedule.start_at is not None:
        bounds += f", from {_moment(schedule.start_at, schedule)}"
    if schedule.end_at is not None:
        bounds += f", until {_moment(schedule.end_at, schedule)}"
    return text + bounds + zone if bounds else text


def _every(step: timedelta) -> str:
    days, rest = divmod(step, timedelta(days=1))
    # One day is "every 24 hours": the clocks change, an interval does not.
    if days > 1 and not rest:
        return f"every {days:,} days"
    length, unit = next((length, unit) for length, unit in _UNITS if not step % length)
    count = step // length
    return f"every {unit}" if count == 1 else f"every {count:,} {unit}s"


def _moment(moment: datetime, schedule: Schedule) -> str:
    wall = periods.wall(moment, schedule.zone)
    clock = f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
    return f"{wall.day} {wall:%B} {wall.year} at {clock}"
