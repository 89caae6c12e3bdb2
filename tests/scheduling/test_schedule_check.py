"""Schedules that are refused, with words that say what to write instead."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.models import Campaign
from notifier.scheduling import Schedule, ScheduleError, check, check_cron
from tests.support.zones import LONDON, QUICK, utc

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEW_YEAR, START = utc("2026-01-01 00:00"), utc("2026-11-01 09:00")


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", "has five fields"),
        ("0 9 * *", "has five fields (minute, hour, day of the month, month, day of the week), not 4"),
        ("0 0 9 * * *", "not 6"),
        ("@daily", "Write '0 0 * * *' instead"),
        (" @Hourly ", "Write '0 * * * *' instead"),
        ("@reboot", "Write five fields"),
        ("@every 5m", "Write five fields"),
        ("60 * * * *", "'60' is not a valid minute"),
        ("* 24 * * *", "'24' is not a valid hour"),
        ("0 9 0 * *", "'0' is not a valid day of the month"),
        ("0 9 * 13 *", "'13' is not a valid month"),
        ("0 9 * * FRI-MON", "'FRI-MON' is not a valid day of the week"),
        ("0 9 ? * 1", "'?' is not a valid day of the month"),
        ("*/0 * * * *", "'*/0' is not a valid minute"),
        ("1/2/3 * * * *", "'1/2/3' is not a valid minute"),
        ("-1 * * * *", "'-1' is not a valid minute"),
        ("1,,2 * * * *", "'1,,2' is not a valid minute"),
        ("0 9 * * \u0661", "is not a valid day of the week"),
        ("*/90 * * * *", "a step can be at most 59. For a longer rhythm use an interval"),
        ("5,10-50/60 * * * *", "a step can be at most 59"),
        ("0 9 1 * 1", "Give one of them and write * for the other"),
        ("0 9 */2 * MON", "Give one of them"),
        ("0 9 30 2 *", "'0 9 30 2 *' never runs"),
        ("0 9 31 4,6,9,11 *", "never runs"),
        ("1" + " " * 100 + "9 * * *", "at most 100 characters"),
    ],
)
def test_a_cron_expression_that_is_refused(cron: str, words: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        check(cron=cron)
    assert refused.value.field == "cron"
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "cron",
    ["0 9 * * MON#5", "0 9 L * *", "0 9 LW 2 *", "0 9 * * 5L", "0 9 * jan-mar sun", "0 9 31,L 2 *", "*/59 * * * 7"],
)
def test_a_cron_expression_that_is_accepted(cron: str) -> None:
    assert check_cron(f"  {cron.replace(' ', '   ')}\n") == cron
    assert check(cron=cron).next_after(NEW_YEAR) is not None


@QUICK
@given(st.text("0123456789*/,-#LW@ MONJA\t\0?", max_size=30))
def test_whatever_is_typed_is_refused_with_words_or_can_be_used(text: str) -> None:
    try:
        schedule = check(cron=text)
    except ScheduleError:
        return
    assert schedule.next_after(NEW_YEAR) is not None


@pytest.mark.parametrize(
    ("columns", "field", "words"),
    [
        ({"every": 59, "anchor": START}, "every", "at least 60 seconds"),
        ({"every": -60, "anchor": START}, "every", "at least 60 seconds"),
        ({"every": 366 * 86_400 + 1, "anchor": START}, "every", "at most 31,622,400 (366 days), not 31,622,401"),
        ({"every": 3600}, "start_at", "enter when it starts"),
        ({"every": 3600, "anchor": START, "recipient_local": True}, "recipient_local", "Write a cron expression"),
        ({"every": 3600, "cron": "0 9 * * *"}, "cron", "Choose one of the three"),
        ({"once_at": START, "cron": "0 9 * * *"}, "cron", "Choose one of the three"),
        ({"once_at": START, "every": 3600}, "cron", "Choose one of the three"),
        ({"zone": "Europe/Londn"}, "zone", "Did you mean Europe/London?"),
        ({"zone": ""}, "zone", "There is no time zone"),
        ({"start_at": START, "end_at": START}, "end_at", "after the start"),
        ({"start_at": START, "end_at": START - MINUTE}, "end_at", "after the start"),
        ({"once_at": START, "start_at": START + MINUTE}, "once_at", "before the start"),
        ({"once_at": START, "end_at": START}, "once_at", "must be before the end"),
        ({"once_at": START.replace(tzinfo=None)}, "once_at", "needs an offset from UTC"),
        ({"cron": "0 8 * * *", "start_at": START, "end_at": START + HOUR}, "end_at", "There is no run between"),
    ],
)
def test_columns_that_are_refused(columns: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        check(**columns)
    assert refused.value.field == field
    assert words in str(refused.value)


@pytest.mark.parametrize("every", [60, 366 * 86_400])
def test_the_shortest_and_the_longest_interval(every: int) -> None:
    assert check(every=every, anchor=START).every == timedelta(seconds=every)


def test_the_schedule_of_a_row() -> None:
    created = utc("2026-01-01 00:07:09.5")
    row = Campaign(zone="Europe/London", recipient_local=False, created_at=created, every=3600)
    assert Schedule.of(row) == check(every=3600, zone="Europe/London", anchor=created)
    row = Campaign(
        zone="Europe/London", recipient_local=True, created_at=created, cron="0 9 * * *",
        start_at=START, end_at=START + DAY,
    )  # fmt: skip
    expected = Schedule(
        LONDON, cron="0 9 * * *", recipient_local=True, start_at=START, end_at=START + DAY, anchor=created
    )
    assert Schedule.of(row) == expected
    row.zone = "Mars/Base"
    with pytest.raises(ScheduleError):
        Schedule.of(row)
