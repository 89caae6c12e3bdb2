"""Compute when a campaign is due. Pure: no clock, no database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from notifier.models import Campaign
from notifier.scheduling import cron as expressions
from notifier.scheduling import periods
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.periods import Mark

#: The shortest and the longest interval, in seconds.
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 60, 366 * 86_400

#: How long before UTC every wall time occurs first (at UTC+14), and how long after UTC it occurs last (at UTC-12).
EARLIEST, LATEST = timedelta(hours=14), timedelta(hours=12)

#: Returns the moment by which everything has happened that the emails of a slot report; None for no such limit.
ReadyAt = Callable[[datetime], datetime | None]

#: The smallest step of a datetime: turns "after" into "from".
_TICK = timedelta.resolution


@dataclass(frozen=True, slots=True)
class Firing:
    """A due moment of a schedule."""

    #: The scheduled time in the campaign's zone, as a moment in UTC.
    slot: datetime
    #: When the tick acts on it, in UTC: at the slot, or before it if each recipient's time zone counts.
    run_at: datetime
    #: 'gap' if the zone skips that wall time, so the slot moved; 'fold' if the zone repeats it.
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A valid schedule, made by `check`: a cron expression, an interval, a single moment, or none of them."""

    zone: ZoneInfo
    cron: str | None = None
    every: timedelta | None = None
    once_at: datetime | None = None
    #: Whether the wall time of a slot is meant in each recipient's time zone.
    recipient_local: bool = False
    #: Slots are in [start_at, end_at).
    start_at: datetime | None = None
    end_at: datetime | None = None
    #: Intervals are counted from here.
    anchor: datetime | None = None
    #: Returns the moment before which a slot must not run.
    ready_at: ReadyAt | None = None

    @classmethod
    def of(cls, campaign: Campaign, ready_at: ReadyAt | None = None) -> "Schedule":
        """Build the schedule of a row. Raise ScheduleError if its columns are not valid."""
        return check(
            cron=campaign.cron,
            every=campaign.every,
            once_at=campaign.once_at,
            zone=campaign.zone,
            recipient_local=campaign.recipient_local,
            start_at=campaign.start_at,
            end_at=campaign.end_at,
            anchor=campaign.created_at,
            ready_at=ready_at,
        )

    @property
    def is_manual(self) -> bool:
        """Return whether it has no times at all, so that it runs only when an operator starts it."""
        return self.cron is None and self.every is None and self.once_at is None

    def firings(self, after: datetime, until: datetime | None = None) -> Iterator[Firing]:
        """Yield the firings with `after` < slot <= `until`, in order; possibly without end if `until` is None."""
        for slot, mark in self._slots(self._not_before_start(after)):
            if (until is not None and slot > until) or (self.end_at is not None and slot >= self.end_at):
                return
            yield Firing(slot, self.run_at(slot), mark)

    def next_after(self, moment: datetime) -> Firing | None:
        """Return the first firing with a slot after the moment, or None."""
        return next(self.firings(moment), None)

    def due(self, after: datetime, now: datetime) -> Iterator[Firing]:
        """Yield the firings with `after` < slot that are due by now, in order."""
        return takewhile(lambda firing: firing.run_at <= now, self.firings(after))

    def run_at(self, slot: datetime) -> datetime:
        """Return when the tick acts on the slot: if recipients' zones count, when the first zone reaches its wall time.

        It is never before everything has happened that the emails of the slot report.
        """
        first = self._in_utc(slot) - EARLIEST if self.recipient_local else slot
        ready = None if self.ready_at is None else self.ready_at(slot)
        return first if ready is None else max(first, ready)

    def last_at(self, slot: datetime) -> datetime:
        """Return when the last recipients are due, in UTC: never before the tick acts on the slot."""
        return max(self.run_at(slot), self._in_utc(slot) + LATEST if self.recipient_local else slot)

    def _in_utc(self, slot: datetime) -> datetime:
        """Return the moment at which clocks in UTC show the wall time of the slot."""
        return periods.wall(slot, self.zone).replace(tzinfo=UTC)

    def _not_before_start(self, after: datetime) -> datetime:
        return after if self.start_at is None else max(after, self.start_at - _TICK)

    def _slots(self, after: datetime) -> Iterator[tuple[datetime, Mark]]:
        if self.cron is not None:
            yield from expressions.moments(self.cron, after, self.zone, by_wall=self.recipient_local)
        elif self.every is not None and self.anchor is not None:
            count = max((after - self.anchor) // self.every + 1, 0)
            while True:
                yield self.anchor + count * self.every, ""
                count += 1
        elif self.once_at is not None and self.once_at > after:
            yield self.once_at, periods.mark(periods.wall(self.once_at, self.zone), self.zone)


def check(
    *,
    cron: str | None = None,
    every: int | None = None,
    once_at: datetime | None = None,
    zone: str = "UTC",
    recipient_local: bool = False,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    anchor: datetime | None = None,
    ready_at: ReadyAt | None = None,
) -> Schedule:
    """Build the schedule of these columns of Campaign. `every` is in seconds, counted from `start_at` or `anchor`.

    Raise ScheduleError with a message for the person who edits the campaign.
    """
    _check_one_of(cron, every, once_at)
    _check_moments(start_at=start_at, end_at=end_at, once_at=once_at)
    if every is not None:
        _check_every(every, recipient_local=recipient_local)
        anchor = start_at or anchor
        if anchor is None:
            raise ScheduleError("start_at", "An interval needs a start: enter when it starts.")
        anchor = anchor.replace(microsecond=0)
    schedule = Schedule(
        zone=_known_zone(zone),
        cron=None if cron is None else expressions.check_cron(cron),
        every=None if every is None else timedelta(seconds=every),
        once_at=once_at,
        recipient_local=recipient_local,
        start_at=start_at,
        end_at=end_at,
        anchor=anchor,
        ready_at=ready_at,
    )
    _check_has_slots(schedule)
    return schedule


def simulate(schedule: Schedule, since: datetime, days: float) -> Iterator[Firing]:
    """Yield the firings with `since` <= slot < `since` + `days` times 24 hours, in order."""
    return schedule.firings(since - _TICK, since + timedelta(days=days) - _TICK)


def _check_one_of(*choices: object) -> None:
    if sum(choice is not None for choice in choices) > 1:
        raise ScheduleError("cron", "Choose one of the three: a cron expression, an interval, or a single moment.")


def _check_moments(**moments: datetime | None) -> None:
    for field, moment in moments.items():
        if moment is not None and moment.utcoffset() is None:
            raise ScheduleError(field, f"{field} needs an offset from UTC, such as 2026-12-24T09:00+00:00.")
    start_at, end_at = moments["start_at"], moments["end_at"]
    if start_at is not None and end_at is not None and start_at >= end_at:
        raise ScheduleError("end_at", "The end must be after the start.")


def _check_every(every: int, *, recipient_local: bool) -> None:
    if not MIN_INTERVAL_SECONDS <= every <= MAX_INTERVAL_SECONDS:
        raise ScheduleError(
            "every",
            f"An interval must be at least {MIN_INTERVAL_SECONDS} seconds and at most {MAX_INTERVAL_SECONDS:,} "
            f"({MAX_INTERVAL_SECONDS // 86_400} days), not {every:,}.",
        )
    if recipient_local:
        raise ScheduleError(
            "recipient_local",
            "An interval has no time of day, so it cannot follow each recipient's time zone. "
            "Write a cron expression, such as '0 9 * * *' for every day at 09:00.",
        )


def _known_zone(name: str) -> ZoneInfo:
    try:
        return periods.zone(name)
    except ValueError as error:
        raise ScheduleError("zone", str(error)) from None


def _check_has_slots(schedule: Schedule) -> None:
    """Raise ScheduleError for a schedule that never fires, so that no one waits for it."""
    if schedule.once_at is not None and schedule.next_after(schedule.once_at - _TICK) is None:
        raise ScheduleError("once_at", "The moment must not be before the start, and must be before the end.")
    if (
        (schedule.cron or schedule.every)
        and schedule.start_at is not None
        and schedule.end_at is not None
        and schedule.next_after(schedule.start_at - _TICK) is None
    ):
        raise ScheduleError("end_at", "There is no run between the start and the end.")
