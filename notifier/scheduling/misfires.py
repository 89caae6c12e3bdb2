"""Decide which missed runs still run, and work off a long backlog in portions."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple

from notifier.english import duration
from notifier.models import Misfire
from notifier.scheduling import periods
from notifier.scheduling.schedule import EARLIEST, Firing, Schedule

#: A slot up to this age is in time: ticks come every 30 seconds, and a restart takes a moment.
GRACE = timedelta(minutes=5)

#: Slots that one tick handles, and so rows that one transaction adds. The next tick continues with the rest.
PORTION = 1000

Verdict = Literal["due", "missed", "coalesced"]
_TICK = timedelta.resolution


class Judged(NamedTuple):
    """The decision about a slot. The reason is for people; it is empty for a slot in time."""

    slot: datetime
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """The slots on which a tick acts now."""

    #: Oldest first, PORTION at most.
    firings: tuple[Firing, ...]
    #: The newest slot that is due, in `firings` or far beyond. None if nothing is due.
    newest: datetime | None
    #: The first slot that is not in `firings`: the campaign's next slot, even if it is overdue.
    following: Firing | None


def backlog(schedule: Schedule, first: datetime, now: datetime, *, portion: int = PORTION) -> Backlog:
    """Return the oldest portion of what is due from the slot `first` on. It is fast for a backlog of any length.

    Every slot is in one portion: the next tick takes the slots that this one leaves, so none is skipped silently.
    """
    before = first - _TICK
    firings = tuple(islice(schedule.due(before, now), portion))
    if not firings:
        return Backlog((), None, schedule.next_after(before))
    last = firings[-1].slot
    following = schedule.next_after(last)
    more = following is not None and following.run_at <= now
    return Backlog(firings, _newest(schedule, last, now) if more else last, following)


def misfired(
    late: Sequence[datetime],
    now: datetime,
    policy: Misfire | str,
    within: timedelta | None,
    coalesce: bool,
    grace: timedelta = GRACE,
    *,
    newest: datetime | None = None,
    run_at: Mapping[datetime, datetime] | None = None,
    named: Callable[[datetime], str] | None = None,
) -> list[Judged]:
    """Decide for each of these slots, oldest first, whether it runs.

    A slot not older than `grace` is in time and runs. Of older slots, run_late runs all, skip none, and within those
    not older than `within` (none without it). With `coalesce`, if several would run, only the newest does. `newest` is
    the newest due slot if `late` is a portion that ends before it. The age of a slot counts from its `run_at`, if that
    is later. `named` formats a slot for people; in UTC by default.
    """
    ages = {slot: now - max(slot, (run_at or {}).get(slot, slot)) for slot in late}
    why_not = {slot: _why_not(ages[slot], Misfire(policy), within, grace) for slot in late}
    # A newer slot is less late, so if any slot runs, the newest of all runs as well.
    chosen = max(late[-1], newest or late[-1]) if late else now
    judged = []
    for slot in late:
        if why_not[slot]:
            judged.append(Judged(slot, "missed", why_not[slot]))
        elif coalesce and slot != chosen:
            judged.append(Judged(slot, "coalesced", f"combined with the run of {(named or _moment)(chosen)}"))
        else:
            judged.append(Judged(slot, "due", f"run {duration(ages[slot])} late" if ages[slot] > grace else ""))
    return judged


def _why_not(age: timedelta, policy: Misfire, within: timedelta | None, grace: timedelta) -> str:
    """Return why a slot of this age does not run; empty if it runs."""
    if age <= grace or policy is Misfire.run_late:
        return ""
    late = f"the run was missed by {duration(age)}"
    if policy is Misfire.skip:
        return f"{late}: this campaign skips missed runs"
    if within is None or age > within:
        limit = within or timedelta(0)
        return f"{late}: this campaign sends missed runs only within {duration(limit)}"
    return ""


def _newest(schedule: Schedule, after: datetime, now: datetime) -> datetime:
    """Return the last slot that is due by now; `after` if there is none after it.

    It looks back from now, twice as far each time: if slots are many, the last one is near.
    """
    end = _latest_slot(schedule, now)
    back = timedelta(minutes=1)
    while True:
        begin = max(after, end - back)
        if found := deque(schedule.due(begin, now), maxlen=1):
            return found[0].slot
        if begin == after:
            return after
        back *= 2


def _latest_slot(schedule: Schedule, now: datetime) -> datetime:
    """Return an upper bound for the slots that are due by now."""
    limit = now
    if schedule.recipient_local:
        limit = periods.resolve(now.astimezone(UTC).replace(tzinfo=None) + EARLIEST, schedule.zone)
    return limit if schedule.end_at is None else min(limit, schedule.end_at)


def _moment(slot: datetime) -> str:
    return f"{slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
