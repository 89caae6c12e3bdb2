"""Check cron expressions of five fields, and compute the moments that they name.

The rules are those of Debian's cron, as implemented by cronsim. If neither minute nor hour begins with a star, the
expression means times of day: each occurs once, at the end of a gap if the zone skips it, at the first of two if it
repeats. Otherwise it means a rhythm: it fires whenever the clocks match, in both hours of a fold and never in a gap.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from notifier.scheduling import periods
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.periods import Mark

#: The length of Campaign.cron.
MAX_LENGTH = 100

#: The fields in their order, with the highest value of each.
FIELDS = (("minute", 59), ("hour", 23), ("day of the month", 31), ("month", 12), ("day of the week", 7))

#: Replacements for names that some crons accept.
_NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: A start for checks: whether an expression ever fires depends on the calendar alone, so any day will do.
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_SECOND, _NOTHING = timedelta(seconds=1), timedelta(0)


def check_cron(text: str) -> str:
    """Return the expression with single blanks. Raise ScheduleError with a message for its author."""
    parts = text.split()
    _check_shape(text, parts)
    for position, part in enumerate(parts):
        _check_field(position, part)
    expression = " ".join(parts)
    if parts[2] != "*" and parts[4] != "*":
        raise _wrong(
            "Day of the month and day of the week together mean different things to different cron programs. "
            "Give one of them and write * for the other."
        )
    try:
        next(CronSim(expression, SOME_DAY))
    except (CronSimError, StopIteration):
        raise _wrong(f"{expression!r} never runs: none of its months has such a day.") from None
    return expression


def moments(
    expression: str, after: datetime, zone: ZoneInfo, *, by_wall: bool = False
) -> Iterator[tuple[datetime, Mark]]:
    """Yield the moments after `after`, in UTC and strictly increasing, of an expression that check_cron accepted.

    With `by_wall` a rhythm is treated as times of day, too. The mark of each moment says whether its wall time lies in
    a gap or a fold.
    """
    times_of_day = by_wall or means_times_of_day(expression)
    last = after
    for moment, mark in (_times_of_day if times_of_day else _rhythm)(expression, after, zone):
        # All times within a gap resolve to one moment, and within a repeated hour cronsim may begin in the past.
        if moment > last:
            last = moment
            yield moment, mark


def means_times_of_day(expression: str) -> bool:
    """Return whether the expression names times of day rather than a rhythm."""
    minute, hour, *_ = expression.split()
    return not minute.startswith("*") and not hour.startswith("*")


def _times_of_day(expression: str, after: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, Mark]]:
    for wall in CronSim(expression, periods.wall(after, zone)):
        yield periods.resolve(wall, zone), periods.mark(wall, zone)


def _rhythm(expression: str, after: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, Mark]]:
    """Yield the moments of a rhythm, one stretch of constant UTC offset after the other.

    cronsim's own steps lose moments if clocks change by half an hour, or at midnight.
    """
    begin = after.replace(microsecond=0)
    start = periods.wall(begin, zone)
    while True:
        offset = begin.astimezone(zone).utcoffset() or _NOTHING
        for wall in CronSim(expression, start):
            moment = (wall - offset).replace(tzinfo=UTC)
            if change := periods.next_change(begin, moment, zone):
                break
            begin = moment
            yield moment, periods.mark(wall, zone)
        else:
            return
        # The change itself may match: continue from one second before it, with the new offset.
        begin, start = change, periods.wall(change, zone) - _SECOND


def _check_shape(text: str, parts: list[str]) -> None:
    if len(text) > MAX_LENGTH:
        raise _wrong(f"A cron expression can have at most {MAX_LENGTH} characters.")
    if text.strip().startswith("@"):
        known = _NAMES.get(text.strip().lower())
        hint = (
            f"Write {known!r} instead." if known else "Write five fields, such as '0 9 * * *' for every day at 09:00."
        )
        raise _wrong(f"Names such as {text.strip()!r} are not supported. {hint}")
    if len(parts) != len(FIELDS):
        raise _wrong(
            "A cron expression has five fields (minute, hour, day of the month, month, day of the week), "
            f"not {len(parts)}."
        )


def _check_field(position: int, part: str) -> None:
    name, highest = FIELDS[position]
    alone = ["*"] * len(FIELDS)
    alone[position] = part
    try:
        CronSim(" ".join(alone), SOME_DAY)
    except CronSimError:
        # The other fields are stars, so an impossible date such as 31 February cannot be the reason.
        raise _wrong(f"{part!r} is not a valid {name}.") from None
    for term in part.split(","):
        _, slash, step = term.partition("/")
        if slash and int(step) > highest:
            raise _wrong(
                f"{part!r} as the {name}: a step can be at most {highest}. For a longer rhythm use an interval."
            )


def _wrong(words: str) -> ScheduleError:
    return ScheduleError("cron", words)
