"""Periods: wall times, days, months and quiet hours, right over every change of the clocks."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.scheduling import periods
from tests.support.zones import LONDON, NEW_YORK, QUICK, minutes_near_changes, times_of_day, utc, zones

MINUTE = timedelta(minutes=1)
LORD_HOWE, APIA, CAIRO = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), ZoneInfo("Africa/Cairo")
#: Texts near names of zones; without an alphabet hypothesis spends seconds on its table of characters.
NAMES = st.none() | st.sampled_from(sorted(periods.names())) | st.text("/.\\_-+ \0\n\ud800éAEUTCaeopru0", max_size=30)

UNUSABLE = [
    "", None, "Mars/Base", "../etc", "../../etc/passwd", "/etc/localtime", "/usr/share/zoneinfo/UTC", "localtime",
    "posixrules", "Factory", "Europe", "europe/london", " Europe/London", "right/UTC", "posix/UTC", "a\0b",
    "Europe/London\n", "\ud800", "x" * 100_000, "zone.tab", ".", "tzdata.zi",
]  # fmt: skip


def at(text: str) -> datetime:
    """A wall time."""
    return datetime.fromisoformat(text)


class TestZones:
    def test_a_known_name_gives_its_zone(self) -> None:
        assert periods.zone("Europe/London") == LONDON
        assert periods.zone("UTC").key == "UTC"

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("europe/london", "Did you mean Europe/London?"),
            ("America/New York", "Did you mean America/New_York?"),
            ("../etc", "Write a name such as Europe/London, or UTC."),
            ("", "Write a name such as Europe/London, or UTC."),
        ],
    )
    def test_an_unknown_name_is_refused_with_words(self, name: str, hint: str) -> None:
        with pytest.raises(ValueError, match="There is no time zone") as refused:
            periods.zone(name)
        assert str(refused.value).endswith(hint)

    def test_words_about_a_long_name_are_short(self) -> None:
        with pytest.raises(ValueError, match="There is no time zone") as refused:
            periods.zone("x" * 100_000)
        assert len(str(refused.value)) < 200

    def test_the_persons_own_zone_counts_first(self) -> None:
        assert periods.zone_of("Europe/London", "America/New_York") == (LONDON, "")

    @pytest.mark.parametrize("name", UNUSABLE, ids=lambda name: repr(name)[:30])
    def test_an_unusable_name_falls_back_and_says_so(self, name: str | None) -> None:
        assert periods.zone_of(name, "America/New_York") == (NEW_YORK, "campaign")
        assert periods.zone_of(name, name) == (ZoneInfo("UTC"), "utc")
        assert periods.zone_of("Europe/London", name) == (LONDON, "")

    @QUICK
    @given(NAMES, NAMES)
    def test_no_name_makes_it_fail(self, user: str | None, campaign: str | None) -> None:
        zone, fallback = periods.zone_of(user, campaign)
        assert fallback in ("", "campaign", "utc")
        assert zone.key == {"": user, "campaign": campaign, "utc": "UTC"}[fallback]

    def test_every_known_name_can_be_used(self) -> None:
        assert len(periods.names()) > 500
        for name in periods.names():
            assert periods.zone_of(name)[0].key == name


class TestResolve:
    @pytest.mark.parametrize(
        ("wall", "zone", "moment", "mark"),
        [
            ("2026-07-01 09:00", LONDON, "2026-07-01 08:00", ""),
            # 01:00 to 02:00 does not exist.
            ("2026-03-29 00:59", LONDON, "2026-03-29 00:59", ""),
            ("2026-03-29 01:00", LONDON, "2026-03-29 01:00", "gap"),
            ("2026-03-29 01:30:59", LONDON, "2026-03-29 01:00", "gap"),
            ("2026-03-29 02:00", LONDON, "2026-03-29 01:00", ""),
            # 01:00 to 02:00 comes twice.
            ("2026-11-01 01:30", NEW_YORK, "2026-11-01 05:30", "fold"),
            ("2026-11-01 02:00", NEW_YORK, "2026-11-01 07:00", ""),
            # Half an hour only.
            ("2026-10-04 02:15", LORD_HOWE, "2026-10-03 15:30", "gap"),
            ("2026-04-05 01:45", LORD_HOWE, "2026-04-04 14:45", "fold"),
            # A day that was left out.
            ("2011-12-30 00:00", APIA, "2011-12-30 10:00", "gap"),
            ("2011-12-30 23:59", APIA, "2011-12-30 10:00", "gap"),
            ("2011-12-31 00:00", APIA, "2011-12-30 10:00", ""),
            # Midnight does not exist.
            ("2026-04-24 00:00", CAIRO, "2026-04-23 22:00", "gap"),
        ],
    )
    def test_table(self, wall: str, zone: ZoneInfo, moment: str, mark: str) -> None:
        assert periods.resolve(at(wall), zone) == utc(moment)
        assert periods.mark(at(wall), zone) == mark

    @QUICK
    @given(minutes_near_changes(), zones())
    def test_it_is_the_first_minute_at_which_the_clocks_show_as_much(self, near: datetime, zone: ZoneInfo) -> None:
        wall = near.replace(tzinfo=None)
        minute = near - timedelta(hours=15)
        while periods.wall(minute, zone) < wall:
            minute += MINUTE
        assert periods.resolve(wall, zone) == minute

    @QUICK
    @given(minutes_near_changes(), zones())
    def test_there_and_back(self, moment: datetime, zone: ZoneInfo) -> None:
        wall = periods.wall(moment, zone)
        assert wall.tzinfo is None
        again = periods.resolve(wall, zone)
        assert periods.wall(again, zone) == wall
        assert again == moment or (again < moment and periods.mark(wall, zone) == "fold")


class TestStarts:
    @pytest.mark.parametrize(
        ("start", "moment", "zone", "expected"),
        [
            (periods.start_of_day, "2026-11-20 12:00", NEW_YORK, "2026-11-20 05:00"),
            (periods.start_of_day, "2026-11-20 04:59", NEW_YORK, "2026-11-19 05:00"),
            (periods.start_of_day, "2026-11-02 04:59", NEW_YORK, "2026-11-01 04:00"),
            (periods.start_of_day, "2026-04-24 09:00", CAIRO, "2026-04-23 22:00"),
            (periods.start_of_day, "2011-12-30 12:00", APIA, "2011-12-30 10:00"),
            (periods.start_of_week, "2026-11-20 12:00", LONDON, "2026-11-16 00:00"),
            (periods.start_of_week, "2026-11-16 00:00", LONDON, "2026-11-16 00:00"),
            (periods.start_of_week, "2026-10-25 23:59", LONDON, "2026-10-18 23:00"),
            (periods.start_of_month, "2026-11-20 12:00", NEW_YORK, "2026-11-01 04:00"),
            (periods.start_of_month, "2026-11-01 03:59", NEW_YORK, "2026-10-01 04:00"),
        ],
    )
    def test_table(
        self, start: Callable[[datetime, ZoneInfo], datetime], moment: str, zone: ZoneInfo, expected: str
    ) -> None:
        assert start(utc(moment), zone) == utc(expected)

    @QUICK
    @given(minutes_near_changes(), zones())
    def test_a_day_starts_with_its_first_minute(self, moment: datetime, zone: ZoneInfo) -> None:
        start = periods.start_of_day(moment, zone)
        day = periods.wall(moment, zone).date()
        assert start <= moment
        assert periods.wall(start, zone).date() == day > periods.wall(start - MINUTE, zone).date()

    @QUICK
    @given(minutes_near_changes(), zones())
    def test_weeks_and_months_start_with_the_day_they_start_with(self, moment: datetime, zone: ZoneInfo) -> None:
        day = periods.wall(moment, zone).date()
        monday = periods.start_of_week(moment, zone)
        first = periods.start_of_month(moment, zone)
        assert first <= moment
        assert monday <= moment
        # A day that was left out, Apia's Friday 2011-12-30, is neither a Monday nor a 1st.
        assert periods.wall(monday, zone).date() == day - timedelta(days=day.weekday())
        assert periods.wall(first, zone).date() == day.replace(day=1)
        assert periods.start_of_day(first, zone) == first


class TestMonths:
    def test_the_month_before_is_the_readers(self) -> None:
        # In New York it is still October.
        moment = utc("2026-11-01 03:00")
        assert periods.month_before(moment, LONDON) == (utc("2026-09-30 23:00"), utc("2026-11-01 00:00"))
        assert periods.month_before(moment, NEW_YORK) == (utc("2026-09-01 04:00"), utc("2026-10-01 04:00"))

    def test_before_january_comes_december(self) -> None:
        since, until = periods.month_before(utc("2027-01-01 00:00"), LONDON)
        assert (since, until) == (utc("2026-12-01 00:00"), utc("2027-01-01 00:00"))
        assert periods.month_label(since, LONDON) == "2026-12"

    def test_the_label_is_that_of_the_zone(self) -> None:
        assert periods.month_label(utc("2026-09-30 23:00"), LONDON) == "2026-10"
        assert periods.month_label(utc("2026-09-30 23:00"), NEW_YORK) == "2026-09"

    @QUICK
    @given(minutes_near_changes(), zones())
    def test_months_tile(self, moment: datetime, zone: ZoneInfo) -> None:
        since, until = periods.month_before(moment, zone)
        assert since < until <= moment
        assert until == periods.start_of_month(moment, zone)
        assert periods.month_before(until - MINUTE, zone)[1] == since
        day = date.fromisoformat(f"{periods.month_label(since, zone)}-01")
        assert day == periods.wall(since, zone).date()


class TestQuietHours:
    @pytest.mark.parametrize(
        ("moment", "zone", "quiet", "expected"),
        [
            ("2026-11-20 12:00", LONDON, ("22:00", "07:00"), "2026-11-20 12:00"),
            ("2026-11-20 22:00", LONDON, ("22:00", "07:00"), "2026-11-21 07:00"),
            ("2026-11-20 06:59", LONDON, ("22:00", "07:00"), "2026-11-20 07:00"),
            ("2026-11-20 07:00", LONDON, ("22:00", "07:00"), "2026-11-20 07:00"),
            ("2026-11-20 12:30", LONDON, ("12:00", "13:00"), "2026-11-20 13:00"),
            ("2026-11-20 13:00", LONDON, ("12:00", "13:00"), "2026-11-20 13:00"),
            ("2026-11-20 23:00", LONDON, ("22:00", "00:00"), "2026-11-21 00:00"),
            ("2026-11-20 23:00", NEW_YORK, ("22:00", "07:00"), "2026-11-20 23:00"),
            # The night is an hour longer, or shorter.
            ("2026-10-31 23:00", NEW_YORK, ("18:00", "07:00"), "2026-11-01 12:00"),
            ("2026-03-28 23:00", LONDON, ("22:00", "07:00"), "2026-03-29 06:00"),
            # They end in a gap.
            ("2026-03-28 23:00", LONDON, ("22:00", "01:30"), "2026-03-29 01:00"),
            # They end in a repeated hour, and begin again with it: 01:00 to 01:30 comes twice.
            ("2026-10-25 00:10", LONDON, ("22:00", "01:30"), "2026-10-25 00:30"),
            ("2026-10-25 00:40", LONDON, ("22:00", "01:30"), "2026-10-25 00:40"),
            ("2026-10-25 01:10", LONDON, ("22:00", "01:30"), "2026-10-25 01:30"),
            # The morning they would end at was left out.
            ("2011-12-30 09:00", APIA, ("22:00", "07:00"), "2011-12-30 17:00"),
        ],
    )
    def test_table(self, moment: str, zone: ZoneInfo, quiet: tuple[str, str], expected: str) -> None:
        assert periods.leave_quiet(utc(moment), zone, *quiet) == utc(expected)

    @pytest.mark.parametrize("quiet", [(None, None), ("22:00", None), (None, "07:00"), ("", ""), ("07:00", "07:00")])
    def test_no_quiet_hours(self, quiet: tuple[str | None, str | None]) -> None:
        moment = utc("2026-11-20 07:00")
        assert periods.leave_quiet(moment, LONDON, *quiet) == moment

    @pytest.mark.parametrize(
        "text", ["24:00", "7:00", "07:60", "0700", "07:00:00", "\u0660\u0667:\u0660\u0660", "07:00\n", "x" * 1000]
    )
    def test_what_is_no_time_of_day_is_refused_with_words(self, text: str) -> None:
        with pytest.raises(ValueError, match="Write it as HH:MM, from 00:00 to 23:59"):
            periods.leave_quiet(utc("2026-11-20 07:00"), LONDON, "22:00", text)

    @QUICK
    @given(minutes_near_changes(), zones(), times_of_day(), times_of_day())
    def test_it_is_the_first_minute_that_is_not_quiet(
        self, moment: datetime, zone: ZoneInfo, begin: time, end: time
    ) -> None:
        expected = first_awake(moment, zone, begin, end)
        assert periods.leave_quiet(moment, zone, f"{begin:%H:%M}", f"{end:%H:%M}") == expected


def first_awake(minute: datetime, zone: ZoneInfo, begin: time, end: time) -> datetime:
    """The same, minute by minute."""

    def is_quiet() -> bool:
        clock = periods.wall(minute, zone).time()
        return begin <= clock < end if begin <= end else not end <= clock < begin

    while is_quiet():
        minute += MINUTE
    return minute
