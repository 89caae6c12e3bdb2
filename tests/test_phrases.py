"""Durations and lists as people read them."""

from datetime import timedelta

import pytest

from notifier import english

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "about", "duration"),
    [
        (0, "0 seconds", "1 second"),
        (1, "1 second", "1 second"),
        (40, "40 seconds", "40 seconds"),
        (119, "119 seconds", "119 seconds"),
        (2 * MINUTE, "2 minutes", "2 minutes"),
        (100 * MINUTE, "100 minutes", "1 hour, 40 minutes"),
        (2 * HOUR, "2 hours", "2 hours"),
        (3 * HOUR + 20 * MINUTE + 29, "3 hours", "3 hours, 20 minutes"),
        (26 * HOUR, "26 hours", "1 day, 2 hours"),
        (3 * DAY, "3 days", "3 days"),
        (3 * DAY + HOUR + MINUTE, "3 days", "3 days, 1 hour"),
        (20 * DAY, "3 weeks", "20 days"),
        (1200 * DAY, "3 years", "1,200 days"),
    ],
)
def test_a_time_in_one_unit_and_in_two(seconds: int, about: str, duration: str) -> None:
    assert (english.about(seconds), english.duration(seconds)) == (about, duration)
    assert english.about(timedelta(seconds=seconds)) == about


def test_a_moment_is_before_or_after() -> None:
    assert english.ago(5 * MINUTE) == "5 minutes ago"
    assert english.ago(timedelta(hours=-3)) == "in 3 hours"
    assert english.ago(0) == "just now"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (90.2, "91 seconds"), (121, "3 minutes"), (7199, "2 hours"), (7201, "3 hours")],
)
def test_after_a_wait_that_is_named_the_time_is_over(seconds: float, words: str) -> None:
    assert english.at_most(seconds) == words


def test_lists_have_one_form() -> None:
    items = ["a", "b", "c"]
    assert [english.listed(items[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [english.either(items[:count]) for count in range(4)] == ["", "a", "a or b", "a, b or c"]


def test_numbers_have_their_forms() -> None:
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31)
    assert [english.ordinal(number) for number in numbers] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "31st",
    ]  # fmt: skip
    assert [english.counted(number, "day") for number in (1, 2, 1000)] == ["1 day", "2 days", "1,000 days"]
    assert (english.WEEKDAYS[0], english.MONTHS[1]) == ("Monday", "January")
