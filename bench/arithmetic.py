"""The arithmetic of the bench, without any process: medians, ratios, losses, how much work is affordable."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Accepted:
    """One line of the sink's log."""

    message_id: str
    recipient: str
    #: Unix time, seconds.
    at: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What arrived, beside what should have arrived."""

    accepted: int
    lost: int
    #: Copies beyond the first.
    duplicates: int
    #: Copies to addresses that nobody meant.
    strangers: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds and how far they lie apart."""

    median: float
    least: float
    most: float


def parse_log(text: str) -> list[Accepted]:
    """The lines "<Message-ID> <recipient> <time>" of a sink's log; a last line that is still being written is left."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [Accepted(name, recipient, float(at)) for name, recipient, at in (line.split(" ") for line in lines)]


def tally(intended: Collection[str], accepted: Sequence[Accepted]) -> Tally:
    """Compare the log with the intended recipients, each of whom should get one copy."""
    meant = set(intended)
    seen: set[str] = set()
    strangers = duplicates = 0
    for mail in accepted:
        if mail.recipient not in meant:
            strangers += 1
        elif mail.recipient in seen:
            duplicates += 1
        seen.add(mail.recipient)
    return Tally(len(accepted), len(meant - seen), duplicates, strangers)


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError where there are no values."""
    if not values:
        raise ValueError("no round was measured")
    return Spread(median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def auc(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the probability that one of `second` is larger than one of `first`; a tie counts half.

    It is the area under the ROC curve of a guess by the value: 0.5 if the values tell nothing. Raises
    ZeroDivisionError if one of them is empty.
    """
    higher = sum((two > one) + (two == one) / 2 for one in first for two in second)
    return higher / (len(first) * len(second))


def ratio(ours: float, theirs: float) -> float:
    """How many times `theirs` goes into `ours`; NaN where one of them says nothing."""
    return ours / theirs if theirs > 0 and ours > 0 else math.nan


def affordable(mails: int, *, delay_ms: float, round_trips: float, connections: int, seconds: float) -> int:
    """How many of `mails` a contender can send in about `seconds`, if replies were all that takes time.

    A slow one gets fewer, 100 at least: its rate does not change with their number.
    """
    if delay_ms <= 0:
        return mails
    rate = connections / (round_trips * delay_ms / 1000)
    return min(mails, max(100, int(rate * seconds)))
