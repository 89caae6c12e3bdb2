"""Campaigns under one limit: what each gets of it, and how long it takes."""

import pytest

from notifier.campaigns.rate_sharing import Load, parts, seconds_to_send


@pytest.mark.parametrize(
    ("rates", "limit", "expected"),
    [
        ([None], 50, [50]),
        ([20], 50, [20]),
        ([80], 50, [50]),
        ([None, None], 50, [25, 25]),
        ([10, None], 50, [10, 40]),
        ([None, 10, None], 50, [20, 10, 20]),
        ([30, 30, 5], 50, [22.5, 22.5, 5]),
    ],
)
def test_each_gets_the_same_part_and_leaves_what_it_cannot_use(
    rates: list[float | None], limit: float, expected: list[float]
) -> None:
    assert parts([Load(1, rate) for rate in rates], limit) == expected


def test_it_takes_as_long_as_the_limit_says_where_nobody_else_sends() -> None:
    assert seconds_to_send(Load(100), [], 50) == 2
    assert seconds_to_send(Load(100, 10), [], 50) == 10


def test_who_ends_first_makes_room_for_the_others() -> None:
    assert seconds_to_send(Load(100), [Load(20)], 10) == 4 + 8
    assert seconds_to_send(Load(20), [Load(1000)], 10) == 4
    assert seconds_to_send(Load(100), [Load(0)], 10) == 10
    assert seconds_to_send(Load(30), [Load(10), Load(20)], 30) == pytest.approx(1 + 20 / 30 + 10 / 30)
