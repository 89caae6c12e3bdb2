"""A schedule in plain English, which must be true."""

from datetime import timedelta
from typing import Any

import pytest
from cronsim import CronSim

from notifier.scheduling import check, describe
from notifier.scheduling.cron_descriptions import describe_cron
from tests.support.zones import utc

START = utc("2026-11-01 09:00")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "only when started manually"),
        ({"cron": "0 9 * * *", "zone": "Europe/London"}, "every day at 09:00 (Europe/London)"),
        (
            {"cron": "0 9 1 * *", "recipient_local": True},
            "on the 1st of every month at 09:00 in each recipient's time zone",
        ),
        ({"every": 21_600, "anchor": START}, "every 6 hours"),
        ({"every": 3600, "anchor": START}, "every hour"),
        ({"every": 60, "anchor": START}, "every minute"),
        ({"every": 90, "anchor": START}, "every 90 seconds"),
        ({"every": 5400, "anchor": START}, "every 90 minutes"),
        ({"every": 86_400, "anchor": START}, "every 24 hours"),
        ({"every": 604_800, "anchor": START}, "every 7 days"),
        (
            {"once_at": utc("2026-12-24 09:00"), "zone": "Europe/London"},
            "once, on 24 December 2026 at 09:00 (Europe/London)",
        ),
        (
            {"once_at": utc("2026-12-24 14:00:30"), "zone": "America/New_York", "recipient_local": True},
            "once, on 24 December 2026 at 09:00:30 in each recipient's time zone",
        ),
        (
            {"cron": "0 9 * * *", "zone": "Asia/Tokyo", "start_at": START},
            "every day at 09:00 (Asia/Tokyo), from 1 November 2026 at 18:00",
        ),
        (
            {"cron": "0 9 * * *", "zone": "Asia/Tokyo", "recipient_local": True, "end_at": START},
            "every day at 09:00 in each recipient's time zone, until 1 November 2026 at 18:00 (Asia/Tokyo)",
        ),
        (
            {"every": 21_600, "start_at": START, "end_at": START + timedelta(days=1)},
            "every 6 hours, from 1 November 2026 at 09:00, until 2 November 2026 at 09:00 (UTC)",
        ),
    ],
)
def test_schedules(columns: dict[str, Any], expected: str) -> None:
    assert describe(check(**columns)) == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 9,18 * * 1-5", "every day from Monday to Friday at 09:00 and 18:00"),
        ("0 0 * * 0-7", "every day at 00:00"),
        ("0 9 * * 7", "every Sunday at 09:00"),
        ("0 9 * * 0,1,3", "every Monday, Wednesday and Sunday at 09:00"),
        ("0 9 * 6 MON", "every Monday in June at 09:00"),
        ("0 9 * 1,2 *", "every day in January and February at 09:00"),
        ("0 9 * * MON#1", "on the first Monday of every month at 09:00"),
        ("0 9 * * MON#5", "on the fifth Monday of every month that has one at 09:00"),
        ("0 9 * * 5L", "on the last Friday of every month at 09:00"),
        ("0 9 * * 1L,4,2#3", "every Thursday, and on the third Tuesday and last Monday of every month at 09:00"),
        ("0 9 L * *", "on the last day of every month at 09:00"),
        ("0 9 15,LW * *", "on the 15th and last weekday of every month at 09:00"),
        ("0 9 2,3,11,22 * *", "on the 2nd, 3rd, 11th and 22nd of every month at 09:00"),
        ("0 9 31 * *", "on the 31st of every month that has one at 09:00"),
        ("0 9 1 */3 *", "on the 1st of January, April, July and October at 09:00"),
        ("0 9 30 1,2 *", "on the 30th of January and February (where there is such a day) at 09:00"),
        ("0 9 24 12 *", "every year on 24 December at 09:00"),
        ("0 9 29 2 *", "every leap year on 29 February at 09:00"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00"),
        ("0 */2 * * *", "every day, every 2 hours from 00:00 to 22:00"),
        ("5 9-17 * * 1-5", "every day from Monday to Friday, every hour from 09:05 to 17:05"),
        ("* * * * *", "every minute"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "at 15 minutes past the hour"),
        ("*/15 * * * *", "every 15 minutes"),
        ("*/15 * 24 12 *", "every year on 24 December, every 15 minutes"),
        # Not every 45 minutes, and not every 5 hours over midnight.
        ("*/45 * * * *", "at 0 and 45 minutes past the hour"),
        ("7 */5 * * *", "every day, every 5 hours from 00:07 to 20:07"),
        # In the words of cron-descriptor.
        ("*/15 9-17 * * MON", "every Monday, every 15 minutes, between 09:00 and 17:59"),
        ("5,7,9,11,13 * * * *", "at 5, 7, 9, 11, and 13 minutes past the hour"),
    ],
)
def test_cron_expressions(cron: str, expected: str) -> None:
    assert describe_cron(check(cron=cron).cron or "") == expected


def test_the_same_words_mean_the_same_moments() -> None:
    """Over all steps, ranges and some lists of each field."""
    minutes = ["*", "7", "0", *(f"*/{step}" for step in range(2, 60)), "0-10", "3-40", "1,2", "5,20,35,50", "1,2,3,4,9"]
    hours = ["*", "0", "9", *(f"*/{step}" for step in range(2, 24)), "9-17", "9-17/4", "3,4,5,6,9", "8,20"]
    days = ["* * *", "1 * *", "L * *", "*/2 * *", "* 6 *", "* * 1", "* * 1-5", "* * 1#1", "* * 1L", "31 1,2 *"]
    common = [f"{minute} {hour} * * *" for minute in minutes[:40:3] + minutes[-5:] for hour in hours[::2]]
    seen: dict[str, tuple[object, ...]] = {}
    for text in [*common, *(f"{clock} {day}" for clock in ("0 9", "0 */2", "* *", "3-40 5-7") for day in days)]:
        cron = CronSim(text, START)
        means = tuple(map(frozenset, (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)))
        assert seen.setdefault(describe_cron(text), means) == means
    assert len(seen) > 200
