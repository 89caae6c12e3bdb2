"""A schedule by choosing: inputs that people understand, to and from the columns of a campaign."""

import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from notifier.admin.campaigns.inputs import Fields, Problems, length, moment, shown_length, shown_moment
from notifier.scheduling import ScheduleError, periods

#: How often, as people choose it.
REPEATS = {
    "daily": "Every day",
    "weekly": "Every week",
    "monthly": "Every month",
    "once": "Once, on a date",
    "interval": "Every N hours",
    "manual": "Manually",
    "cron": "Cron expression",
}

WEEKDAYS = {
    "1": "Monday", "2": "Tuesday", "3": "Wednesday", "4": "Thursday", "5": "Friday", "6": "Saturday", "0": "Sunday",
}  # fmt: skip

#: The last day of a month, as cron writes it.
LAST = "L"
DAYS = {str(day): f"the {day}." for day in range(1, 32)} | {LAST: "the last day"}

#: Where the clock counts.
_TIMED = frozenset({"daily", "weekly", "monthly"})
_SIMPLE = re.compile(
    r"(\d{1,2}) (\d{1,2}) (\*|\d{1,2}|L) \* (\*|[0-7](?:-[0-7])?(?:,[0-7](?:-[0-7])?){0,20})\Z", re.ASCII
)


def shown(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The inputs for these columns."""
    zone, _ = periods.zone_of(None, values.get("zone"))
    once = shown_moment(values.get("once_at"), zone)
    inputs = {
        "repeat": ["manual"],
        "at": [once[11:] or "09:00"],
        "weekday": ["1"],
        "day": ["1"],
        "date": [once[:10]],
        "cron": [values.get("cron") or ""],
        "zone": [values.get("zone") or "UTC"],
        "recipient_local": ["yes"] if values.get("recipient_local") else [],
        "start_at": [shown_moment(values.get("start_at"), zone)],
        "end_at": [shown_moment(values.get("end_at"), zone)],
        **shown_length("every", values.get("every")),
    }
    if once:
        inputs["repeat"] = ["once"]
    elif values.get("every"):
        inputs["repeat"] = ["interval"]
    elif values.get("cron"):
        inputs |= _of_cron(values["cron"])
    return inputs


def _of_cron(expression: str) -> dict[str, list[str]]:
    """A cron expression as a choice where it is one."""
    found = _SIMPLE.match(expression)
    if found is None or int(found[1]) > 59 or int(found[2]) > 23:
        return {"repeat": ["cron"]}
    at = [f"{int(found[2]):02}:{int(found[1]):02}"]
    if found[3] == found[4] == "*":
        return {"repeat": ["daily"], "at": at}
    if found[4] == "*":
        return {"repeat": ["monthly"], "at": at, "day": [found[3]]}
    days: set[int] = set()
    for part in found[4].split(","):
        first, _, last = part.partition("-")
        days |= {day % 7 for day in range(int(first), int(last or first) + 1)}
    return {"repeat": ["weekly"], "at": at, "weekday": [str(day) for day in sorted(days)]}


def read(fields: Fields, problems: Problems, was: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the inputs say. `was`: those that are stored."""
    name, zone = fields.one("zone") or "UTC", None
    try:
        zone = periods.zone(name)
    except ValueError as error:
        problems.add("zone", str(error))
    # The same moment only counts as such as long as it is written on the same clocks.
    old = was if was.get("zone") == name else {}
    values: dict[str, Any] = {
        "cron": None, "every": None, "once_at": None, "zone": name,
        "recipient_local": fields.on("recipient_local"),
        "start_at": moment(fields, "start_at", zone, problems, was=old.get("start_at")),
        "end_at": moment(fields, "end_at", zone, problems, was=old.get("end_at")),
    }  # fmt: skip
    _read_repeat(fields, zone, problems, was.get("cron"), old.get("once_at"), values)
    return values


def _read_repeat(
    fields: Fields,
    zone: ZoneInfo | None,
    problems: Problems,
    cron: str | None,
    once_at: datetime | None,
    values: dict[str, Any],
) -> None:
    """Fill in the one column of the three that was chosen."""
    repeat = fields.one("repeat")
    if repeat in _TIMED:
        values["cron"] = _cron(fields, repeat, problems, cron)
    elif repeat == "once":
        values["once_at"] = _once(fields, zone, problems, once_at)
    elif repeat == "interval":
        values["every"] = length(fields, "every", problems)
        if values["every"] is None:
            problems.add("every-number", "Enter the number of hours between two runs.")
    elif repeat == "cron":
        values["cron"] = fields.one("cron")
        if not values["cron"]:
            problems.add("cron", "Enter five fields, such as 0 9 * * 1 for every Monday at 09:00.")
    elif repeat not in REPEATS:
        problems.add("repeat", "Choose how often it runs.")


def _cron(fields: Fields, repeat: str, problems: Problems, was: str | None) -> str | None:
    at = _time(fields, problems)
    days = [day for day in WEEKDAYS if day in fields.all("weekday")]
    day = fields.one("day")
    if repeat == "weekly" and not days:
        problems.add("weekday", "Choose at least one day.")
    if repeat == "monthly" and day not in DAYS:
        problems.add("day", "Choose a day from the list.")
    if at is None:
        return None
    date, week = day if repeat == "monthly" else "*", ",".join(days) if repeat == "weekly" else "*"
    chosen = f"{at.minute} {at.hour} {date} * {week}"
    # Other words for the same are no change.
    if was and _of_cron(was) == _of_cron(chosen):
        return was
    return chosen


def _once(fields: Fields, zone: ZoneInfo | None, problems: Problems, was: datetime | None) -> datetime | None:
    at = _time(fields, problems)
    if not fields.one("date"):
        problems.add("date", "Choose a day.")
        return None
    if at is None:
        return None
    both = Fields({"date": [f"{fields.one('date')}T{at:%H:%M}"]})
    return moment(both, "date", zone, problems, was=was)


def _time(fields: Fields, problems: Problems) -> time | None:
    try:
        return periods.hours(fields.one("at")[:5])
    except ValueError:
        problems.add("at", "Enter a time of day as HH:MM, such as 09:00.")
        return None


def field_of(error: ScheduleError, repeat: str) -> str:
    """The input that a mistake of the schedule is about."""
    if error.field == "cron" and repeat in _TIMED:
        return "day" if repeat == "monthly" else "at"
    return {"every": "every-number", "once_at": "date"}.get(error.field, error.field)
