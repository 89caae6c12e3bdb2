"""The token of a plan: what was planned in a few characters, so that a run can refuse when it is another one by now.

A plan stores nothing, so its token says all that a later one is compared with: the configuration as a hash, how many
people there were, and a sketch of who. For the sketch people fall into eight boxes by their key; each of its hex
digits is how far one box is from its even share. People who come or go move it, also where as many come as go, and
from how far it moved follows about how many they were.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression

from notifier.campaigns.errors import CampaignError

BOXES = 8
_DIGITS = 16
_TOKEN = re.compile(r"([0-9a-f]{8})-([0-9]{1,12})-([0-9a-f]{8})\Z")
_PRIME = 1_000_003

#: So many people may have come or gone: the larger of both, the second as a share of the planned.
SOME, SHARE = 10, 0.01

#: The estimate of the sketch has to be so many times above the tolerance: it is right within a factor of two or so.
SURE = 4


class PlanChanged(CampaignError):
    """What would run now is not what was planned."""


@dataclass(frozen=True, slots=True)
class Token:
    """What `notifier plan` shows and `campaign run --plan` takes."""

    config: str
    count: int
    sketch: str

    def __str__(self) -> str:
        return f"{self.config}-{self.count}-{self.sketch}"

    @classmethod
    def read(cls, text: str) -> "Token":
        """The token that somebody typed. Raises CampaignError."""
        found = _TOKEN.match(text.strip().lower())
        if found is None:
            raise CampaignError(f"{text[:60]!r} is no token of a plan: it looks like 1a2b3c4d-1200-0f0f0f0f.")
        return cls(found[1], int(found[2]), found[3])

    @property
    def tolerance(self) -> float:
        """How many people may have come or gone."""
        return max(SOME, SHARE * self.count)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a token is made from, and what it is compared with."""

    config: str
    #: The number of people in each box.
    boxes: Sequence[int]

    @property
    def token(self) -> Token:
        """The token of this plan."""
        count = sum(self.boxes)
        token = Token(self.config, count, "")
        digits = (round(distance) % _DIGITS for distance in _distances(self.boxes, token))
        return Token(self.config, count, "".join(f"{digit:x}" for digit in digits))


def check(token: Token, fresh: Fingerprint) -> None:
    """Raise PlanChanged where `fresh` is not what the token stands for."""
    if token.config != fresh.config:
        raise PlanChanged(
            "The campaign, its templates or its slot are not those of this plan any more: "
            "plan it again, look at it, and use the new token."
        )
    now, allowed = sum(fresh.boxes), int(token.tolerance)
    if abs(now - token.count) > allowed:
        raise PlanChanged(
            f"The plan was for {token.count:,} people, now it would be {now:,}: more than {allowed:,} came or went. "
            "Plan it again."
        )
    others = exchanged(token, fresh.boxes)
    if others > SURE * token.tolerance:
        raise PlanChanged(
            f"The plan was for {token.count:,} people, and about {others:,.0f} of them came or went since; "
            f"{allowed:,} may. Plan it again."
        )


def exchanged(token: Token, boxes: Sequence[int]) -> float:
    """About how many people came or went. 0 where nobody did; never more than the sketch can tell."""
    half = _DIGITS / 2
    moved = (
        (now - int(then, _DIGITS) + half) % _DIGITS - half
        for now, then in zip(_distances(boxes, token), token.sketch, strict=True)
    )
    squares = [0.0 if abs(each) <= 0.5 else (each * _unit(token)) ** 2 for each in moved]
    return sum(squares) * BOXES / (BOXES - 1)


def _distances(boxes: Sequence[int], token: Token) -> list[float]:
    """How far each box is from its share of all, in units of the token."""
    share = sum(boxes) / BOXES
    return [(number - share) / _unit(token) for number in boxes]


def _unit(token: Token) -> float:
    """What one box moves by, typically, when as many people come and go as may."""
    return max(1.0, math.sqrt(token.tolerance / BOXES))


def box_of(key: SQLColumnExpression[int]) -> ColumnElement[int]:
    """The box that somebody falls into. Neighbours do not share theirs, and both databases count alike."""
    number = (key % _PRIME * 7919 + 104_729) % _PRIME
    return (number * number % _PRIME * number) % _PRIME % BOXES


def config_of(*parts: Any) -> str:
    """Eight hex digits of these plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
