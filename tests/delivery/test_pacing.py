"""The order in which emails of one portion begin: none waits for a limit that it is not under."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice

from notifier.delivery.throttle.limit_requests import Request
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.timed_starts import Pacing, Turn
from notifier.smtp.envelope import Later


class Campaigns(Limits):
    """Limits of campaigns, some of which are full at the moment."""

    retry_seconds = 5.0

    def __init__(self, *full: int) -> None:
        self.full = set(full)
        self.asked = 0

    def line(self, request: Request) -> tuple[str, ...]:
        return (str(request.campaign_id),)

    def begin(self, requests: Sequence[Request], *, urgent: bool = False) -> float:
        self.asked += 1
        return 0.02 if {request.campaign_id for request in requests} & self.full else 0.0


def turn(pk: int, campaign_id: int, moment: float = 0.0, *, urgent: bool = False) -> Turn:
    return Turn(moment, [Request(pk, "example.com", campaign_id, 5.0)], urgent=urgent)


def of(pacing: Pacing, taken: list[int]) -> Iterator[int]:
    for pk in pacing.pks:
        taken.append(pk)
        yield pk


def begun(pacing: Pacing, count: int, taken: list[int]) -> list[int]:
    """The first so many that begin."""
    order = pacing.in_turn(of(pacing, taken), lambda pk: pk, lambda: True)
    return list(islice((each for each in order if not isinstance(each, Later)), count))


def test_a_campaign_whose_second_is_full_does_not_hold_up_another() -> None:
    """They were sent in the order of their moments: one late campaign made all others late."""
    pacing = Pacing([turn(1, 7), turn(2, 8), turn(3, 7), turn(4, 8)], Campaigns(7))
    assert begun(pacing, 2, []) == [2, 4]


def test_those_of_one_campaign_keep_their_order_and_go_when_there_is_room() -> None:
    limits = Campaigns(7)
    pacing = Pacing([turn(1, 7), turn(2, 8), turn(3, 7)], limits)
    order, found = pacing.in_turn(iter(pacing.pks), lambda pk: pk, lambda: True), []
    for each in order:
        if isinstance(each, Later):
            assert 0 < each.seconds <= 0.02
            limits.full.clear()
            time.sleep(each.seconds)
        else:
            found.append(each)
    assert found == [2, 1, 3]


def test_an_email_is_taken_up_no_sooner_than_it_must_be() -> None:
    """What is asked of it then is old when it begins."""
    later = time.monotonic() + 60
    pacing, taken = Pacing([turn(1, 7), turn(2, 7, later), turn(3, 8, later + 1)], Campaigns()), []
    order = pacing.in_turn(of(pacing, taken), lambda pk: pk, lambda: True)
    assert next(order) == 1
    waits = next(order)
    assert isinstance(waits, Later)
    assert 50 < waits.seconds <= 60
    assert taken == [1, 2]


def test_urgent_ones_are_taken_up_at_once() -> None:
    later = time.monotonic() + 60
    pacing = Pacing([turn(1, 7, later, urgent=True), turn(2, 8, later, urgent=True)], Campaigns())
    assert begun(pacing, 2, []) == [1, 2]


def test_what_is_full_is_not_asked_again_before_there_may_be_room() -> None:
    limits = Campaigns(7)
    pacing = Pacing([turn(1, 7)], limits)
    assert [pacing.wait(1) > 0 for _ in range(3)] == [True] * 3
    assert limits.asked == 1


def test_what_is_not_open_any_more_comes_at_once() -> None:
    later = time.monotonic() + 60
    open_ = [True]
    pacing = Pacing([turn(1, 7, later), turn(2, 8, later)], Campaigns())
    order = pacing.in_turn(iter(pacing.pks), lambda pk: pk, lambda: open_[0])
    assert isinstance(next(order), Later)
    open_[0] = False
    assert list(order) == [1, 2]
