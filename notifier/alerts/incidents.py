"""When operators are told about a cause: pure rules over what is remembered of it.

    seen for `after` seconds -> told once -> well for `clear_after` seconds -> told once more, and forgotten

A cause that is well for less than `clear_after` seconds was never well: no one is told twice about one that comes and
goes. A cause that another one has taken over (beat is silent, and then the broker is found to be frozen) is not well
while its check fails.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.observability.causes import Problem
from notifier.observability.check import HealthCheck

#: How long one process has for telling operators, before another one tries.
CLAIM = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of one cause: the columns of `models.Incident`."""

    key: str
    check: str
    title: str
    anchor: str
    since: datetime
    first_seen_at: datetime
    well_since: datetime | None = None
    claimed_until: datetime | None = None
    alerted_at: datetime | None = None


class Due(enum.StrEnum):
    """What operators must be told about a cause now."""

    nothing = "nothing"
    failing = "failing"
    well = "well"
    #: It is over, and operators were to be told but could not be.
    was_failing = "was failing"
    #: Nothing, and it may be forgotten.
    forget = "forget"


@dataclass(frozen=True, slots=True)
class Times:
    """`ALERT_AFTER` and `ALERT_CLEAR_AFTER`."""

    after: timedelta
    clear_after: timedelta


def advance(
    states: Mapping[str, State], problems: Sequence[Problem], checks: Sequence[HealthCheck], now: datetime
) -> dict[str, State]:
    """Return the states after a look at `now`: new causes are added, and those that are well say since when."""
    failing = {check.name for check in checks if not check.ok}
    found = {
        key: replace(state, well_since=None if state.check in failing else state.well_since or now)
        for key, state in states.items()
    }
    for problem in problems:
        known = found.get(problem.key)
        if known is None:
            name, since = problem.checks[0].name, problem.since or now
            found[problem.key] = State(problem.key, name, problem.title, problem.anchor, since, now)
        else:
            found[problem.key] = replace(known, check=problem.checks[0].name, well_since=None)
    return found


def due(state: State, current: Mapping[str, Problem], now: datetime, times: Times) -> Due:
    """Return what must be told about a state. `current`: the causes of now, by their keys."""
    if state.well_since is None:
        is_due = state.alerted_at is None and state.key in current and now - state.first_seen_at >= times.after
        return Due.failing if is_due else Due.nothing
    if now - state.well_since < times.clear_after:
        return Due.nothing
    if state.alerted_at is not None:
        return Due.well
    return Due.was_failing if state.claimed_until is not None else Due.forget
