"""Sharing: campaigns at a time under one limit. Each gets the same part, and what it cannot use goes to the others."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """A campaign that sends."""

    #: Emails that are still to go.
    emails: float
    #: Emails a second that are possible for it alone. None: as many as the limit lets through.
    rate: float | None = None


def parts(loads: Sequence[Load], limit: float) -> list[float]:
    """Return the emails a second that each of these loads gets of `limit`."""
    found = [0.0] * len(loads)
    left = limit
    modest_first = sorted(range(len(loads)), key=lambda index: loads[index].rate or limit)
    for behind, index in enumerate(modest_first):
        found[index] = min(loads[index].rate or limit, left / (len(loads) - behind))
        left -= found[index]
    return found


def seconds_to_send(mine: Load, others: Sequence[Load], limit: float) -> float:
    """Return how long `mine` takes beside `others`, each of which makes room when it has ended."""
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
