"""Hands out turns: to rows that wait for a rate limit, as their moments come, and to no more of them than that.

One process at a time looks at who waits, gives the first of each line the moments of the next one and a half seconds,
and lets the others wait. So a campaign of a million costs as much as one of a hundred while it waits, and no row is
touched before its turn. The next look comes long before these moments are over: if it is late by a second none is lost,
and what an even later one loses is made up for.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, zip_longest
from math import ceil

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.database.transaction import reading
from notifier.delivery.throttle.asking import BACK, HORIZON, Grant, Request
from notifier.delivery.throttle.limits import Limits
from notifier.delivery.throttle.pacing import Turn
from notifier.delivery.throttle.turnstile import Turnstile
from notifier.ledger import TurnQueue

#: Seconds ahead for which campaigns get moments. People's own email may look further: there is room for it always.
AHEAD = 1.5

#: Seconds from one look to the next while rows wait.
LOOK = 0.5

#: Emails under the same limits whose moments lie so close together, in seconds, begin together.
TOGETHER = 0.05

#: Rows looked at in one go: of one line, and of all.
BITE, MOUTHFUL = 1000, 4000

#: Seconds until the next look: where nothing waits, where there is more to hand out, where a place may become free.
IDLE, MORE, PLACE = 0.5, 0.05, 0.1

#: Seconds after its moment in which a row that was handed out is claimed, or may be handed out again.
CLAIMED = 1.0


@dataclass(frozen=True, slots=True)
class Hand:
    """What one look handed out: emails of campaigns, or people's own."""

    bulk: bool
    #: In the order of their moments.
    turns: list[Turn]
    #: The last key of each line behind which nothing waits.
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Round:
    """One look."""

    hands: list[Hand]
    #: Seconds until the next look makes sense.
    rest: float
    #: Whether anything waits.
    busy: bool = False


@dataclass(slots=True)
class _Bite:
    """The rows of one line that ask."""

    line: TurnQueue
    requests: list[Request]
    #: There are others behind them.
    more: bool
    granted: int = 0


class HandOut:
    """One for each process. Its transactions are short and read only."""

    def __init__(
        self, session: Callable[[], Session], limits: Limits, turnstile: Turnstile, *, bulk: Collection[bool]
    ) -> None:
        """`bulk`: whether for campaigns (True), for people's own email (False), or for both."""
        self._session = session
        self._limits = limits
        self._turnstile = turnstile
        self._bulk = sorted(bulk)
        #: Where a line goes on: with limits for domains, those in front may wait for long.
        self._after: dict[int | None, int] = {}

    def round(self) -> Round:
        """Hand out what may go in the next moments. Raises DBAPIError if the database is away."""
        rounds = [self._round_of(bulk) for bulk in self._bulk]
        return Round(
            [hand for each in rounds for hand in each.hands],
            min(each.rest for each in rounds),
            busy=any(each.busy for each in rounds),
        )

    def _round_of(self, bulk: bool) -> Round:
        """Each sort has a turnstile of its own: who finds none of a person's must not keep campaigns waiting."""
        handed = self._turnstile.enter(bulk=bulk)
        if not isinstance(handed, set):
            return Round([], min(handed, IDLE))
        hand, rest = Hand(bulk, [], []), IDLE
        try:
            bites = self._bites(bulk, handed, clock.now())
            asking = [bite for bite in bites if bite.requests]
            if asking:
                hand, rest = self._reserved(asking, bulk)
        finally:
            given = [request.pk for turn in hand.turns for request in turn.requests]
            self._turnstile.leave(given, bulk=bulk, rest=rest, keep=(AHEAD if bulk else HORIZON) + CLAIMED)
        if not bites:
            self._limits.get_ready()
        return Round([hand] if hand.turns else [], rest, busy=bool(bites))

    def _bites(self, bulk: bool, handed: Collection[int], now: datetime) -> list[_Bite]:
        with reading(self._session) as session:
            lines = ledger.turn_queues(session, bulk=[bulk])
            # No line is the first one always: where there is one moment for all, they take turns.
            random.shuffle(lines)
            return [self._bite(session, line, self._size(line, len(lines)), handed, now) for line in lines]

    def _bite(self, session: Session, line: TurnQueue, size: int, handed: Collection[int], now: datetime) -> _Bite:
        limit, after = size + len(handed) + 1, self._after.pop(line.run_id, 0)
        found = ledger.first_waiting(session, line, now=now, after=after, limit=limit)
        if after and not found:
            found = ledger.first_waiting(session, line, now=now, after=0, limit=limit)
        rows = [row for row in found if row.id not in handed]
        more = len(rows) > size
        if more and self._limits.by_domain:
            self._after[line.run_id] = rows[size - 1].id
        asking = [
            Request(row.id, row.recipient.rpartition("@")[2].lower(), row.campaign_id, line.rate) for row in rows[:size]
        ]
        return _Bite(line, asking, more)

    def _size(self, line: TurnQueue, lines: int) -> int:
        """How many rows of this line ask: one more than there can be moments for, if that is known."""
        rates = [rate for rate in (line.rate, self._limits.rate) if rate]
        if self._limits.by_domain or not rates:
            return max(1, min(BITE, MOUTHFUL // lines))
        return min(BITE, ceil(min(rates) * (BACK + AHEAD if line.bulk else HORIZON)) + 2)

    def _reserved(self, bites: Sequence[_Bite], bulk: bool) -> tuple[Hand, float]:
        """Those who got a moment, in their turns; and the seconds until the next look makes sense."""
        asking = [ask for ask in chain(*zip_longest(*map(_tagged, bites))) if ask is not None]
        started = time.monotonic()
        within, back = (AHEAD, BACK) if bulk else (HORIZON, 0.0)
        grants = self._limits.reserve([request for _, request in asking], within=within, back=back)
        rest = IDLE
        turns: dict[tuple[int, tuple[str, ...]], Turn] = {}
        for (bite, request), grant in zip(asking, grants, strict=True):
            if grant.delay is None:
                rest = min(rest, self._until(grant))
                continue
            number = ceil((started + grant.delay) / TOGETHER)
            turn = Turn(number * TOGETHER, urgent=not bulk)
            turns.setdefault((number, self._limits.line(request)), turn).requests.append(request)
            bite.granted += 1
        full = [bite for bite in bites if bite.granted == len(bite.requests)]
        for bite in full:
            rest = min(rest, MORE if bite.more else LOOK)
        ends = [bite.requests[-1].pk for bite in full if not bite.more]
        return Hand(bulk, sorted(turns.values(), key=lambda turn: turn.moment), ends), rest

    def _until(self, grant: Grant) -> float:
        """Seconds until one that got nothing, or one behind it, may get a moment."""
        if self._limits.by_places:
            return PLACE
        soon = max(MORE, (grant.retry_in or 0.0) - (AHEAD - LOOK))
        return min(soon, LOOK) if self._limits.by_domain else soon


def _tagged(bite: _Bite) -> list[tuple[_Bite, Request]]:
    return [(bite, request) for request in bite.requests]
