"""Slots that nobody ran in time: which of them still run, and in what portions a long backlog is worked off."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple

from notifier.models import Misfire
from notifier.scheduling import periods
from notifier.scheduling.schedule import EARLIEST, Firing, Schedule

#: A slot of this age is in time: ticks come every 30 seconds, and a restart takes a moment.
GRACE = timedelta(minutes=5)

#: Slots that one catch-up hands out, and so rows that one transaction makes. The next tick goes on with the rest.
PORTION = 1000

Verdict = Literal["due", "missed", "coalesced"]
_TICK = timedelta.resolution


class Judged(NamedTuple):
    """What becomes of a slot. The reason is for people, and empty where there is nothing to say."""

    slot: datetime
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """The slots on which a tick acts now."""

    #: Oldest first, PORTION at most.
    firings: tuple[Firing, ...]
    #: The newest slot on which it should act, in `firings` or far beyond. None: there is nothing to do.
    newest: datetime | None
    #: The first that is not in `firings`: what the campaign waits for from now on, even where it is overdue.
    following: Firing | None


def backlog(schedule: Schedule, first: datetime, now: datetime, *, portion: int = PORTION) -> Backlog:
    """What is due from the slot `first` on, the oldest portion of it. It never takes long, however much it is.

    Every slot is in one portion: what a tick leaves is there for the next one, so none is passed over in silence.
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
    """What becomes of each of these slots, oldest first.

    One not older than `grace` is in time and runs. Of the older ones run_late runs all, skip none, within those not
    older than `within` (without it: none). Where several would run and `coalesce` is set, only the newest does.
    `newest` is the newest due slot where `late` is a portion that ends before it. A slot that could not run before
    its `run_at` is late from then on. `named` gives a slot as people read it; UTC, if not given.
    """
    ages = {slot: now - max(slot, (run_at or {}).get(slot, slot)) for slot in late}
    why_not = {slot: _why_not(ages[slot], Misfire(policy), within, grace) for slot in late}
    # What is newer is less late: where any slot runs, the newest of all runs as well.
    chosen = max(late[-1], newest or late[-1]) if late else now
    judged = []
    for slot in late:
        if why_not[slot]:
            judged.append(Judged(slot, "missed", why_not[slot]))
        elif coalesce and slot != chosen:
            judged.append(Judged(slot, "coalesced", f"combined with the run of {(named or _moment)(chosen)}"))
        else:
            judged.append(Judged(slot, "due", f"run {_span(ages[slot])} late" if ages[slot] > grace else ""))
    return judged


def _why_not(age: timedelta, policy: Misfire, within: timedelta | None, grace: timedelta) -> str:
    """Why a slot of this age does not run. Empty: it runs."""
    if age <= grace or policy is Misfire.run_late:
        return ""
    late = f"the run was missed by {_span(age)}"
    if policy is Misfire.skip:
        return f"{late}: this campaign skips missed runs"
    if within is None or age > within:
        limit = within or timedelta(0)
        return f"{late}: this campaign sends missed runs only within {_span(limit)}"
    return ""


def _newest(schedule: Schedule, after: datetime, now: datetime) -> datetime:
    """The last slot on which the tick should have acted by now, where there is one after `after`.

    Looks back from now, twice as far each time: where slots are many, the last one is near.
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
    """No slot on which the tick should have acted by now is after this moment."""
    limit = now
    if schedule.recipient_local:
        limit = periods.resolve(now.astimezone(UTC).replace(tzinfo=None) + EARLIEST, schedule.zone)
    return limit if schedule.end_at is None else min(limit, schedule.end_at)


def _moment(slot: datetime) -> str:
    return f"{slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    """About how long: the two largest units."""
    minutes = int(span.total_seconds()) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    told = [f"{count:,} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(told[:2]) or "less than a minute"
