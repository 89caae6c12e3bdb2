"""The token of a plan: it refuses what was not planned, and lets pass what is nearly the same."""

import random
from collections.abc import Iterable

import pytest

from notifier.campaigns.errors import CampaignError
from notifier.explain.plan_token import BOXES, Fingerprint, PlanChanged, Token, check, exchanged


def boxes_of(people: Iterable[int]) -> list[int]:
    """As the database counts them."""
    boxes = [0] * BOXES
    for pk in people:
        number = (pk % 1_000_003 * 7919 + 104_729) % 1_000_003
        boxes[number * number % 1_000_003 * number % 1_000_003 % BOXES] += 1
    return boxes


def fingerprint(people: Iterable[int]) -> Fingerprint:
    return Fingerprint("0" * 8, boxes_of(people))


@pytest.mark.parametrize(
    ("planned", "left", "joined", "refused"),
    [
        (1000, 0, 0, False),
        (1000, 0, 10, False),
        (1000, 10, 0, False),
        (1000, 5, 5, False),
        (1000, 0, 11, True),
        (1000, 11, 0, True),
        (1000, 300, 300, True),
        (1000, 1000, 1000, True),
        (100_000, 500, 500, False),
        (100_000, 0, 1000, False),
        (100_000, 0, 1001, True),
        (100_000, 20_000, 20_000, True),
        (3, 0, 10, False),
        (0, 0, 0, False),
        (0, 0, 11, True),
    ],
)
def test_a_token_refuses_drift(planned: int, left: int, joined: int, refused: bool) -> None:
    """Also where as many came as went, of the same number."""
    rng = random.Random(1)
    people = set(range(1, planned + 1))
    gone = set(rng.sample(sorted(people), left))
    token = Token.read(str(fingerprint(people).token))
    now = fingerprint(people - gone | set(range(planned + 1, planned + joined + 1)))
    if not refused:
        check(token, now)
        return
    with pytest.raises(PlanChanged, match="came or went"):
        check(token, now)


def test_nobody_who_came_or_went_is_nobody() -> None:
    for count in (0, 1, 7, 1000, 123_456):
        people = fingerprint(set(range(count)))
        assert exchanged(people.token, people.boxes) == 0


@pytest.mark.parametrize("text", ["", "x", "0000000-1-00000000", "00000000--00000000", "é" * 100])
def test_what_is_no_token_is_told_in_words(text: str) -> None:
    with pytest.raises(CampaignError, match="no token of a plan"):
        Token.read(text)
