"""Share one limit among campaigns: each gets an equal part, and what it cannot use goes to the others."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """A campaign that is sending."""

    #: Emails still to be sent.
    emails: float
    #: Emails per second that it could send alone. None: as many as the limit allows.
    rate: float | None = None


def parts(loads: Sequence[Load], limit: float) -> list[float]:
    """Return the emails per second that each of these loads gets of `limit`."""
    found = [0.0] * len(loads)
    left = limit
    modest_first = sorted(range(len(loads)), key=lambda index: loads[index].rate or limit)
    for behind, index in enumerate(modest_first):
        found[index] = min(loads[index].rate or limit, left / (len(loads) - behind))
        left -= found[index]
    return found


def seconds_to_send(mine: Load, others: Sequence[Load], limit: float) -> float:
    """Return the seconds that `mine` takes next to `others`, whose share is free once they have ended."""
    took = 0.0
    loads = [mine, *(load for load in others if load.emails > 0)]
    while True:
        speeds = parts(loads, limit)
        ends = [load.emails / speed for load, speed in zip(loads, speeds, strict=True)]
        first = min(ends)
        took += first
        if ends[0] <= first:
            return took
        loads = [
            Load(load.emails - first * speed, load.rate)
            for load, speed, end in zip(loads, speeds, ends, strict=True)
            if end > first
        ]
