"""The arithmetic of the bench, without any process: medians, ratios, losses, how much work is affordable."""

import math
from collections import Counter
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
    """The emails that arrived, compared with those that should have."""

    accepted: int
    lost: int
    #: Copies beyond the first.
    duplicates: int
    #: Copies to unintended addresses.
    strangers: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the extremes of some rounds."""

    median: float
    least: float
    most: float


def parse_log(text: str) -> list[Accepted]:
    """Return the lines "<Message-ID> <recipient> <time>" of a sink's log, without an incomplete last one."""
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
    """Return the spread of the values. Raise ValueError if there are none."""
    if not values:
        raise ValueError("no round was measured")
    return Spread(median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def auc(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the probability that one of `second` is larger than one of `first`; a tie counts half.

    It is the area under the ROC curve of a guess by the value: 0.5 if the values reveal nothing. Raise
    ZeroDivisionError if one of them is empty.
    """
    higher = sum((two > one) + (two == one) / 2 for one in first for two in second)
    return higher / (len(first) * len(second))


def ratio(ours: float, theirs: float) -> float:
    """Return `ours` divided by `theirs`, or NaN if one of them is unknown."""
    return ours / theirs if theirs > 0 and ours > 0 else math.nan


def affordable(mails: int, *, delay_ms: float, round_trips: float, connections: int, seconds: float) -> int:
    """Return how many of `mails` a contender can send in about `seconds` if only replies took time.

    A slow one gets fewer, 100 at least: its rate does not change with their number.
    """
    if delay_ms <= 0:
        return mails
    rate = connections / (round_trips * delay_ms / 1000)
    return min(mails, max(100, int(rate * seconds)))


def per_minute(moments: Sequence[float]) -> list[int]:
    """Return how many of `moments` (in seconds, sorted or not) fall into each whole minute since the first."""
    if not moments:
        return []
    first, last = min(moments), max(moments)
    found = Counter(int((moment - first) // 60) for moment in moments)
    return [found[minute] for minute in range(int((last - first) // 60))]
