"""Scheduling: which moments a schedule names, over every change of the clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from notifier.scheduling import Firing, Schedule, check, periods, simulate
from tests.support.zones import LONDON, NEW_YORK, QUICK, ZONES, minutes_near_changes, utc, zones

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
YEAR = utc("2026-01-01 00:00"), utc("2027-01-01 00:00")

#: Elsewhere, by half an hour or at midnight, cronsim passes over some moments of a rhythm.
EVEN = (LONDON, NEW_YORK, ZoneInfo("Africa/Casablanca"))


@dataclass(frozen=True)
class Cron:
    """An expression, and the values that it means, by hand."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def matches(self, wall: datetime) -> bool:
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.day in self.days
            and wall.month in self.months
            and wall.isoweekday() % 7 in self.weekdays
        )


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, *, stars: int = 1) -> tuple[str, frozenset[int]]:
    """One field: a star, a star with a step, a range with one, or a list."""
    everything = range(low, high + 1)
    shape = draw(st.sampled_from(["*"] * stars + ["step", "range", "list"]))
    if shape == "*":
        return "*", frozenset(everything)
    if shape == "step":
        step = draw(st.integers(1, high))
        return f"*/{step}", frozenset(everything[::step])
    if shape == "range":
        first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
        step = draw(st.integers(1, 5)) if first < last else 1
        return f"{first}-{last}/{step}" if step > 1 else f"{first}-{last}", frozenset(range(first, last + 1, step))
    values = draw(st.lists(st.integers(low, high), min_size=1, max_size=4))
    return ",".join(map(str, values)), frozenset(values)


@st.composite
def crons(draw: st.DrawFn) -> Cron:
    minutes, hours, months = draw(fields(0, 59)), draw(fields(0, 23)), draw(fields(1, 12, stars=6))
    days, weekdays = ("*", frozenset(range(1, 32))), ("*", frozenset(range(7)))
    match draw(st.sampled_from(["days", "weekdays", "neither"])):
        case "days":
            days = draw(fields(1, 31))
        case "weekdays":
            weekdays = draw(fields(0, 6))
    if min(days[1]) > 28:
        # Not all months have such a day.
        months = "*", frozenset(range(1, 13))
    parts = (minutes, hours, days, months, weekdays)
    return Cron(" ".join(text for text, _ in parts), *(values for _, values in parts))


def slots(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    return [firing.slot for firing in schedule.firings(after, until)]


def by_hand(cron: Cron, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The same, minute by minute in UTC."""
    minute_field, hour_field, *_ = cron.text.split()
    rhythm = "*" in (minute_field[0], hour_field[0])
    before, minute = periods.wall(after, zone), after + MINUTE
    while minute <= until:
        local = minute.astimezone(zone)
        wall = local.replace(tzinfo=None)
        if rhythm:
            fires = cron.matches(wall)
        else:
            skipped = (before + count * MINUTE for count in range(1, (wall - before) // MINUTE))
            fires = (cron.matches(wall) and not local.fold) or any(cron.matches(gone) for gone in skipped)
        if fires:
            yield minute
        before, minute = wall, minute + MINUTE


class TestCron:
    @QUICK
    @given(crons(), minutes_near_changes(), zones())
    def test_it_fires_when_a_look_at_the_clock_every_minute_says_so(
        self, cron: Cron, after: datetime, zone: ZoneInfo
    ) -> None:
        until = after + DAY
        assert slots(check(cron=cron.text, zone=zone.key), after, until) == list(by_hand(cron, zone, after, until))

    @QUICK
    @given(crons(), minutes_near_changes(), st.sampled_from(EVEN))
    def test_it_is_what_cronsim_says(self, cron: Cron, after: datetime, zone: ZoneInfo) -> None:
        schedule = check(cron=cron.text, zone=zone.key)
        theirs = (local.astimezone(UTC) for local in CronSim(cron.text, after.astimezone(zone)))
        # Within a repeated hour cronsim may begin in the past.
        expected = list(islice((moment for moment in theirs if moment > after), 5))
        assert [firing.slot for firing in islice(schedule.firings(after), 5)] == expected

    @QUICK
    @given(crons(), minutes_near_changes(), zones(), st.booleans())
    def test_slots_increase_and_chain(self, cron: Cron, after: datetime, zone: ZoneInfo, local: bool) -> None:
        schedule = check(cron=cron.text, zone=zone.key, recipient_local=local)
        firings = list(islice(schedule.firings(after), 12))
        assert all(one.slot < two.slot and one.run_at < two.run_at for one, two in pairwise(firings))
        moment, chain = after, []
        for _ in firings:
            firing = schedule.next_after(moment)
            assert firing is not None
            chain.append(firing)
            moment = firing.slot
        assert chain == firings

    @QUICK
    @given(crons(), minutes_near_changes(), zones(), st.integers(0, 1440), st.integers(0, 1440))
    def test_windows_tile(self, cron: Cron, after: datetime, zone: ZoneInfo, first: int, second: int) -> None:
        schedule = check(cron=cron.text, zone=zone.key)
        middle = after + first * MINUTE
        until = middle + second * MINUTE
        assert slots(schedule, after, middle) + slots(schedule, middle, until) == slots(schedule, after, until)

    @pytest.mark.parametrize("zone", ZONES, ids=str)
    @pytest.mark.parametrize("cron", ["0 9 1 * *", "30 2 1 * *", "0 0 1 * *", "59 23 L * *", "30 1 * * 1#1"])
    def test_a_year_has_one_slot_in_every_month(self, zone: ZoneInfo, cron: str) -> None:
        schedule = check(cron=cron, zone=zone.key)
        months = [periods.month_label(slot, zone) for slot in slots(schedule, YEAR[0] - DAY, YEAR[1] + DAY)]
        assert [month for month in months if month[:4] == "2026"] == [f"2026-{month:02}" for month in range(1, 13)]
        assert len(months) == len(set(months))

    @pytest.mark.parametrize("zone", ZONES, ids=str)
    @pytest.mark.parametrize("cron", ["0 9 * * *", "30 2 * * *", "30 1 * * *", "0 0 * * *", "15 2 * * *"])
    def test_a_year_has_one_slot_on_every_day(self, zone: ZoneInfo, cron: str) -> None:
        schedule = check(cron=cron, zone=zone.key)
        days = [periods.wall(slot, zone).date() for slot in slots(schedule, YEAR[0] - DAY, YEAR[1] + DAY)]
        assert all(one + DAY == two for one, two in pairwise(days))

    @pytest.mark.parametrize(
        ("cron", "zone", "since", "expected"),
        [
            # 02:30 does not exist: it moves to 03:00, once.
            ("30 2 * * *", "America/New_York", "2026-03-08 05:00", ["03-08 07:00 gap", "03-09 06:30"]),
            ("0,15,30 2 * * *", "America/New_York", "2026-03-08 05:00", ["03-08 07:00 gap", "03-09 06:00"]),
            # 03:00 is asked for as well.
            ("0 2,3 * * *", "America/New_York", "2026-03-08 05:00", ["03-08 07:00 gap", "03-09 06:00"]),
            # 01:30 comes twice: the first counts.
            ("30 1 * * *", "America/New_York", "2026-11-01 04:00", ["11-01 05:30 fold", "11-02 06:30"]),
            # Started between the two, and within the second.
            ("30 1 * * *", "America/New_York", "2026-11-01 05:45", ["11-02 06:30", "11-03 06:30"]),
            ("30 1 * * *", "America/New_York", "2026-11-01 06:10", ["11-02 06:30", "11-03 06:30"]),
            # Every hour that passes.
            ("0 * * * *", "America/New_York", "2026-03-08 06:30", ["03-08 07:00", "03-08 08:00"]),
            ("0 * * * *", "America/New_York", "2026-11-01 04:30", ["11-01 05:00 fold", "11-01 06:00 fold"]),
            ("*/30 1 * * *", "America/New_York", "2026-11-01 05:30", ["11-01 06:00 fold", "11-01 06:30 fold"]),
            # Half an hour.
            ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", ["10-03 15:30 gap", "10-04 15:15"]),
            ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", ["04-04 14:45 fold", "04-05 15:15"]),
            ("* 3 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", ["10-03 16:00", "10-03 16:01"]),
            ("30 * * * *", "Australia/Lord_Howe", "2026-04-04 14:00", ["04-04 14:30 fold", "04-04 15:00 fold"]),
            # The day that was left out, at the start of the one after it.
            ("0 9 * * *", "Pacific/Apia", "2011-12-29 12:00", ["12-29 19:00", "12-30 10:00 gap", "12-30 19:00"]),
            # No midnight.
            ("0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", ["04-23 22:00 gap", "04-24 21:00"]),
        ],
    )  # fmt: skip
    def test_gaps_and_folds(self, cron: str, zone: str, since: str, expected: list[str]) -> None:
        firings = islice(check(cron=cron, zone=zone).firings(utc(since)), len(expected))
        assert [f"{firing.slot:%m-%d %H:%M} {firing.mark}".strip() for firing in firings] == expected

    def test_days_of_change_have_23_and_25_hours(self) -> None:
        schedule = check(cron="0 * * * *", zone="America/New_York")
        for day, hours in (("2026-03-08 12:00", 23), ("2026-11-01 12:00", 25), ("2026-11-20 12:00", 24)):
            start = periods.start_of_day(utc(day), NEW_YORK)
            end = periods.start_of_day(start + 36 * HOUR, NEW_YORK)
            assert len(slots(schedule, start - MINUTE, end - MINUTE)) == hours

    def test_the_29th_of_february_waits_for_a_leap_year(self) -> None:
        firing = check(cron="0 9 29 2 *").next_after(utc("2026-01-01 00:00"))
        assert firing == Firing(utc("2028-02-29 09:00"), utc("2028-02-29 09:00"))


class TestIntervals:
    @QUICK
    @given(
        minutes_near_changes(),
        st.integers(60, 10**6),
        st.integers(-(10**8), 10**8),
        st.integers(0, 10**6),
        zones(),
    )
    def test_whole_multiples_from_the_anchor(
        self, anchor: datetime, every: int, offset: int, fraction: int, zone: ZoneInfo
    ) -> None:
        after = anchor + timedelta(seconds=offset, microseconds=fraction)
        firings = list(islice(check(every=every, anchor=anchor, zone=zone.key).firings(after), 3))
        step = timedelta(seconds=every)
        assert firings[0].slot > after
        assert all((firing.slot - anchor) % step == timedelta(0) for firing in firings)
        assert all(two.slot - one.slot == step for one, two in pairwise(firings))
        assert firings[0].slot == anchor if after < anchor else firings[0].slot - step <= after
        assert not any(firing.mark for firing in firings)

    def test_it_does_not_drift_however_late_it_is_asked(self) -> None:
        schedule = check(every=3600, anchor=utc("2026-01-01 00:07"))
        firing = schedule.next_after(utc("2026-11-20 12:29"))
        assert firing is not None
        assert firing.slot == utc("2026-11-20 13:07")

    def test_a_start_is_the_first_slot_and_the_anchor(self) -> None:
        start = utc("2026-11-01 09:00")
        schedule = check(every=6 * 3600, anchor=utc("2026-01-01 00:07"), start_at=start)
        assert slots(schedule, YEAR[0], start + 6 * HOUR) == [start, start + 6 * HOUR]

    def test_parts_of_a_second_are_dropped(self) -> None:
        schedule = check(every=60, anchor=utc("2026-01-01 00:00:00.999999"))
        assert slots(schedule, YEAR[0], YEAR[0] + MINUTE) == [YEAR[0] + MINUTE]


class TestOnceAndNever:
    def test_once(self) -> None:
        moment = utc("2026-12-24 09:00")
        schedule = check(once_at=moment, zone="Europe/London")
        assert schedule.next_after(moment - MINUTE) == Firing(moment, moment)
        assert schedule.next_after(moment) is None
        assert slots(schedule, YEAR[0], moment - MINUTE) == []
        assert slots(schedule, YEAR[0], moment) == [moment]

    def test_once_in_an_hour_that_comes_twice(self) -> None:
        assert [f.mark for f in check(once_at=utc("2026-11-01 06:30"), zone="America/New_York").firings(YEAR[0])] == [
            "fold"
        ]

    def test_without_any_it_never_fires(self) -> None:
        assert check(zone="Europe/London").next_after(YEAR[0]) is None


class TestBounds:
    def test_slots_are_from_the_start_and_before_the_end(self) -> None:
        start, end = utc("2026-11-03 09:00"), utc("2026-11-06 09:00")
        schedule = check(cron="0 9 * * *", start_at=start, end_at=end)
        assert slots(schedule, YEAR[0], YEAR[1]) == [start, start + DAY, start + 2 * DAY]
        assert schedule.next_after(start + 2 * DAY) is None
        assert schedule.next_after(start) == Firing(start + DAY, start + DAY)

    def test_a_start_between_two_slots(self) -> None:
        schedule = check(cron="0 9 * * *", start_at=utc("2026-11-03 09:01"))
        assert schedule.next_after(YEAR[0]) == Firing(utc("2026-11-04 09:00"), utc("2026-11-04 09:00"))

    def test_simulate_is_from_the_first_moment_and_before_the_last(self) -> None:
        schedule = check(cron="0 0 * * *")
        firings = list(simulate(schedule, YEAR[0], 365))
        assert (firings[0].slot, firings[-1].slot) == (YEAR[0], YEAR[1] - DAY)
        assert firings == list(schedule.firings(YEAR[0] - DAY, YEAR[1] - DAY))
        assert list(simulate(schedule, YEAR[1], 1)) == [Firing(YEAR[1], YEAR[1])]


class TestWhereTheReaderIs:
    def test_the_tick_acts_when_it_is_that_time_in_the_first_place_on_earth(self) -> None:
        schedule = check(cron="0 9 * * *", zone="Europe/London", recipient_local=True)
        firing = schedule.next_after(utc("2026-07-01 09:00"))
        assert firing == Firing(utc("2026-07-02 08:00"), utc("2026-07-01 19:00"))

    @pytest.mark.parametrize("slot_of", ["2026-01-15 00:00", "2026-07-15 00:00"])
    def test_nobody_is_due_before_the_tick_acts_and_somebody_right_then(self, slot_of: str) -> None:
        schedule = check(cron="0 9 * * *", zone="America/New_York", recipient_local=True)
        firing = schedule.next_after(utc(slot_of))
        assert firing is not None
        wall = periods.wall(firing.slot, NEW_YORK)
        due = {name: periods.resolve(wall, ZoneInfo(name)) for name in periods.names()}
        assert min(due.values()) == firing.run_at == due["Pacific/Kiritimati"]
        assert due["America/New_York"] == firing.slot
        assert all(f"{periods.wall(moment, ZoneInfo(name)):%H:%M}" == "09:00" for name, moment in due.items())

    def test_an_hour_that_comes_twice_is_one_hour(self) -> None:
        """The same wall time again would be the same mail again, everywhere else."""
        schedule = check(cron="*/30 * * * *", zone="America/New_York", recipient_local=True)
        found = slots(schedule, utc("2026-11-01 04:30"), utc("2026-11-01 07:30"))
        assert [f"{periods.wall(slot, NEW_YORK):%H:%M}" for slot in found] == ["01:00", "01:30", "02:00", "02:30"]

    def test_due_is_what_the_tick_should_have_acted_on(self) -> None:
        schedule = check(cron="0 9 * * *", zone="Europe/London", recipient_local=True)
        due = schedule.due(utc("2026-11-18 09:00"), utc("2026-11-20 19:00"))
        assert [firing.slot for firing in due] == [utc(f"2026-11-{day} 09:00") for day in (19, 20, 21)]
        due = schedule.due(utc("2026-11-18 09:00"), utc("2026-11-20 18:59"))
        assert [firing.slot for firing in due] == [utc(f"2026-11-{day} 09:00") for day in (19, 20)]
