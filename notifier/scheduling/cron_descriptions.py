"""Describe cron expressions in English, by cron-descriptor except where it is wrong.

It calls the hours 9-17 "between 09:00 and 17:59", */45 "every 45 minutes", and a day that few months have simply
"day 31 of the month". So days and runs of hours are described here.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from cron_descriptor import FormatError, Options, get_description
from cronsim import CronSim

from notifier.english import MONTHS, WEEKDAYS, counted, listed, ordinal
from notifier.scheduling.cron import SOME_DAY

_NTH = {CronSim.LAST: "last", 1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}

#: At most this many times of day are listed one by one.
_MAX_LISTED = 4
#: The last day that every month has.
_SAFE_DAY = 28


def describe_cron(expression: str) -> str:
    """Describe an expression that check_cron accepted, without its zone: "every Monday at 09:00"."""
    cron = CronSim(expression, SOME_DAY)
    day = _day(cron)
    if times := _times(cron):
        return f"{day} at {times}"
    if hours := _run_of_hours(cron):
        return f"{day}, {hours}"
    rhythm = _described(cron)
    return rhythm if day == "every day" else f"{day}, {rhythm}"


def _times(cron: CronSim) -> str:
    """Describe a few times of day. Return an empty string if the expression is of another shape."""
    times = [f"{hour:02}:{minute:02}" for hour in sorted(cron.hours) for minute in sorted(cron.minutes)]
    return listed(times) if len(times) <= _MAX_LISTED else ""


def _run_of_hours(cron: CronSim) -> str:
    """Describe one minute of several hours in equal steps; empty for another shape."""
    hours, steps = sorted(cron.hours), _steps(cron.hours)
    if len(cron.minutes) != 1 or len(hours) == 24 or len(steps) != 1:
        return ""
    minute, step = min(cron.minutes), min(steps)
    every = "every hour" if step == 1 else f"every {counted(step, 'hour')}"
    return f"{every} from {hours[0]:02}:{minute:02} to {hours[-1]:02}:{minute:02}"


def _described(cron: CronSim) -> str:
    """Describe the times by cron-descriptor, from the values themselves: its "every 45 minutes" for */45 is wrong."""
    expression = f"{_spelled(cron.minutes, 60)} {_spelled(cron.hours, 24)} * * *"
    try:
        text = str(get_description(expression, Options(locale_code="en_US", use_24hour_time_format=True)))
    except FormatError:
        return f"as the cron expression {expression!r} says"
    return text[0].lower() + text[1:]


def _spelled(values: Collection[int], size: int) -> str:
    numbers = sorted(values)
    if len(numbers) == size:
        return "*"
    if step := _divisor(numbers, size):
        return f"*/{step}"
    if len(numbers) > 2 and _steps(numbers) == {1}:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def _divisor(numbers: Sequence[int], size: int) -> int:
    """Return the step if `numbers` are all multiples, at least two, of a divisor of `size`. Otherwise return 0."""
    step = size // len(numbers)
    return step if len(numbers) > 1 and list(numbers) == list(range(0, size, step)) else 0


def _day(cron: CronSim) -> str:
    months = [] if len(cron.months) == 12 else [MONTHS[month] for month in sorted(cron.months)]
    plain = {day % 7 for day in cron.weekdays if isinstance(day, int)}
    if len(plain) < 7:
        nth = [day for day in cron.weekdays if isinstance(day, tuple)]
        return ", and ".join(filter(None, (_weekdays(plain, months), _nth_weekdays(nth, months))))
    if len(cron.days) < 31:
        return _days_of_month(sorted(cron.days, key=lambda day: (day < 0, abs(day))), months)
    return "every day" + _in(months)


def _weekdays(days: Collection[int], months: Sequence[str]) -> str:
    if not days:
        return ""
    from_monday = sorted((day - 1) % 7 for day in days)
    names = [WEEKDAYS[day] for day in from_monday]
    if len(names) > 2 and _steps(from_monday) == {1}:
        return f"every day from {names[0]} to {names[-1]}{_in(months)}"
    return f"every {listed(names)}{_in(months)}"


def _nth_weekdays(days: Iterable[tuple[int, int]], months: Sequence[str]) -> str:
    names = [
        f"{_NTH[which]} {WEEKDAYS[(day - 1) % 7]}"
        for day, which in sorted(days, key=lambda day: (day[1] < 0, day[1], day[0]))
    ]
    rare = any(which == 5 for _, which in days)
    return f"on the {listed(names)} of {_of(months, rare, len(names))}" if names else ""


def _days_of_month(days: Sequence[int], months: Sequence[str]) -> str:
    if len(months) == 1 and len(days) == 1 and days[0] > 0:
        leap = "leap " if days[0] > _SAFE_DAY and months[0] == "February" else ""
        return f"every {leap}year on {days[0]} {months[0]}"
    return f"on the {listed([_ordinal(day) for day in days])} of {_of(months, max(days) > _SAFE_DAY, len(days))}"


def _of(months: Sequence[str], rare: bool, count: int) -> str:
    """Name the months, with a hint if some may not have these days."""
    if months:
        return listed(months) + (" (where there is such a day)" if rare else "")
    return "every month" + ((" that has one" if count == 1 else " that has them") if rare else "")


def _in(months: Sequence[str]) -> str:
    return f" in {listed(months)}" if months else ""


def _steps(values: Collection[int]) -> set[int]:
    return {later - earlier for earlier, later in pairwise(sorted(values))}


def _ordinal(day: int) -> str:
    if day < 0:
        return "last day" if day == CronSim.LAST else "last weekday"
    return ordinal(day)
