"""Schedule: when a campaign is due. Pure: no clock, no database."""

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

#: Seconds of the shortest and the longest interval.
SHORTEST, LONGEST = 60, 366 * 86_400

#: Where on earth every wall time comes first: UTC+14. And where it comes last, so long after UTC: UTC-12.
EARLIEST, LATEST = timedelta(hours=14), timedelta(hours=12)

#: Of a slot: from when on everything has happened that its emails are about. None: at any time.
ReadyAt = Callable[[datetime], datetime | None]

#: The smallest step of a datetime: turns "after" into "from".
_TICK = timedelta.resolution


@dataclass(frozen=True, slots=True)
class Firing:
    """A due moment of a schedule."""

    #: The nominal moment, in the campaign's zone. UTC.
    slot: datetime
    #: When the tick acts on it: the slot, or before it where readers' clocks count. UTC.
    run_at: datetime
    #: 'gap': the zone left that wall time out, so the slot moved. 'fold': it had it twice.
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One of cron, interval, once, or nothing at all; made by `check`, so that what exists is sound."""

    zone: ZoneInfo
    cron: str | None = None
    every: timedelta | None = None
    once_at: datetime | None = None
    #: The wall clock of a slot is meant where the reader is.
    recipient_local: bool = False
    #: Slots are in [start_at, end_at).
    start_at: datetime | None = None
    end_at: datetime | None = None
    #: Intervals are whole multiples from here.
    anchor: datetime | None = None
    #: No slot is acted on before.
    ready_at: ReadyAt | None = None

    @classmethod
    def of(cls, campaign: Campaign, ready_at: ReadyAt | None = None) -> "Schedule":
        """The schedule of a row. Raises ScheduleError where the row cannot be used."""
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
        """Whether it has no times at all: it runs only when an operator starts it."""
        return self.cron is None and self.every is None and self.once_at is None

    def firings(self, after: datetime, until: datetime | None = None) -> Iterator[Firing]:
        """Those with `after` < slot <= `until`, in order. Without `until` they may never end."""
        for slot, mark in self._slots(self._not_before_start(after)):
            if (until is not None and slot > until) or (self.end_at is not None and slot >= self.end_at):
                return
            yield Firing(slot, self.run_at(slot), mark)

    def next_after(self, moment: datetime) -> Firing | None:
        """The first with a slot after the moment. None: there are no more."""
        return next(self.firings(moment), None)

    def due(self, after: datetime, now: datetime) -> Iterator[Firing]:
        """Those with `after` < slot on which the tick should have acted by now, in order."""
        return takewhile(lambda firing: firing.run_at <= now, self.firings(after))

    def run_at(self, slot: datetime) -> datetime:
        """When the tick acts on the slot: where readers' clocks count, when the first of them shows its wall time.

        Not before everything has happened that the emails of the slot are about.
        """
        first = self._in_utc(slot) - EARLIEST if self.recipient_local else slot
        ready = None if self.ready_at is None else self.ready_at(slot)
        return first if ready is None else max(first, ready)

    def last_at(self, slot: datetime) -> datetime:
        """Return when the last recipients are due: never before the tick acts on the slot. UTC."""
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
    """The schedule of these columns of Campaign; `every` in seconds, from `start_at` on or, without one, from `anchor`.

    Raises ScheduleError, in words for the person who edits the campaign.
    """
    _check_one_of(cron, every, once_at)
    _check_moments(start_at=start_at, end_at=end_at, once_at=once_at)
    if every is not None:
        _check_every(every, recipient_local=recipient_local)
        anchor = start_at or anchor
        if anchor is None:
            raise ScheduleError("start_at", "An interval counts from a moment: say when it starts.")
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
    """What fires with `since` <= slot < `since` + `days` times 24 hours, in order."""
    return schedule.firings(since - _TICK, since + timedelta(days=days) - _TICK)


def _check_one_of(*choices: object) -> None:
    if sum(choice is not None for choice in choices) > 1:
        raise ScheduleError("cron", "Give one of the three: a cron expression, an interval, or a single moment.")


def _check_moments(**moments: datetime | None) -> None:
    for field, moment in moments.items():
        if moment is not None and moment.utcoffset() is None:
            raise ScheduleError(field, f"{field} needs an offset from UTC, such as 2026-12-24T09:00+00:00.")
    start_at, end_at = moments["start_at"], moments["end_at"]
    if start_at is not None and end_at is not None and start_at >= end_at:
        raise ScheduleError("end_at", "The end has to be after the start.")


def _check_every(every: int, *, recipient_local: bool) -> None:
    if not SHORTEST <= every <= LONGEST:
        raise ScheduleError(
            "every",
            f"An interval has {SHORTEST} seconds at least and {LONGEST:,} ({LONGEST // 86_400} days) at most, "
            f"not {every:,}.",
        )
    if recipient_local:
        raise ScheduleError(
            "recipient_local",
            "An interval has no time of day, so it cannot be meant in each recipient's time zone. "
            "Write a cron expression, such as '0 9 * * *' for every day at 09:00.",
        )


def _known_zone(name: str) -> ZoneInfo:
    try:
        return periods.zone(name)
    except ValueError as error:
        raise ScheduleError("zone", str(error)) from None


def _check_has_slots(schedule: Schedule) -> None:
    """Nobody should wait for what never comes."""
    if schedule.once_at is not None and schedule.next_after(schedule.once_at - _TICK) is None:
        raise ScheduleError("once_at", "The moment is before the start, or not before the end.")
    if (
        (schedule.cron or schedule.every)
        and schedule.start_at is not None
        and schedule.end_at is not None
        and schedule.next_after(schedule.start_at - _TICK) is None
    ):
        raise ScheduleError("end_at", "Nothing is due between the start and the end.")
