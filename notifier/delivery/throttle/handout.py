"""Hand out turns to rows that wait for a rate limit, as their moments come and to no more rows than that.

One process at a time looks at the waiting rows, gives the first of each line the moments of the next one and a half
seconds, and leaves the others alone. So a waiting campaign of a million costs as much as one of a hundred, and no row
is touched before its turn. The next look comes long before these moments are over: a look that is late by a second
loses none, and what a later one loses is made up for.
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
from notifier.database.snapshot import reading
from notifier.delivery.throttle.handout_lock import Turnstile
from notifier.delivery.throttle.limit_requests import MAX_AHEAD_SECONDS, MAX_BEHIND_SECONDS, Grant, Request
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.timed_starts import Turn
from notifier.ledger import TurnQueue

#: Seconds ahead for which campaigns get moments. Transactional emails may look further: there is always room for them.
BULK_AHEAD_SECONDS = 1.5

#: Seconds between two looks while rows wait.
LOOK_EVERY_SECONDS = 0.5

#: Emails under the same limits whose moments lie within so many seconds begin together.
SAME_TURN_SECONDS = 0.05

#: Rows looked at in one round: at most of one line, and of all lines.
LINE_ROWS, ROUND_ROWS = 1000, 4000

#: Seconds until the next round: while nothing waits, while there is more to hand out, until a place may become free.
IDLE_SECONDS, MORE_SECONDS, PLACE_SECONDS = 0.5, 0.05, 0.1

#: Seconds after its moment within which a row that was handed out is claimed, or may be handed out again.
CLAIM_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Hand:
    """The turns of one round: for emails of campaigns (`bulk`), or for transactional ones."""

    bulk: bool
    #: Sorted by moment.
    turns: list[Turn]
    #: The last key of each line behind which nothing waits.
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Round:
    """The result of one round."""

    hands: list[Hand]
    #: Seconds until the next round makes sense.
    rest: float
    #: Whether any email waits.
    busy: bool = False


@dataclass(slots=True)
class _Bite:
    """The rows of one line that ask for moments."""

    line: TurnQueue
    requests: list[Request]
    #: Whether more rows wait behind them.
    more: bool
    granted: int = 0


class HandOut:
    """Hand out turns. One instance per process; its transactions are short and read-only."""

    def __init__(
        self, session: Callable[[], Session], limits: Limits, turnstile: Turnstile, *, bulk: Collection[bool]
    ) -> None:
        """Hand out for campaigns (True in `bulk`), for transactional emails (False), or for both."""
        self._session = session
        self._limits = limits
        self._turnstile = turnstile
        self._bulk = sorted(bulk)
        #: Where a line continues: with limits per domain, its first rows may wait for long.
        self._after: dict[int | None, int] = {}

    def round(self) -> Round:
        """Hand out the moments of the next seconds. Raise DBAPIError if the database is unreachable."""
        rounds = [self._round_of(bulk) for bulk in self._bulk]
        return Round(
            [hand for each in rounds for hand in each.hands],
            min(each.rest for each in rounds),
            busy=any(each.busy for each in rounds),
        )

    def _round_of(self, bulk: bool) -> Round:
        """Hand out one kind.

        Each has its own turnstile: a process without transactional emails must not delay campaigns.
        """
        handed = self._turnstile.enter(bulk=bulk)
        if not isinstance(handed, set):
            return Round([], min(handed, IDLE_SECONDS))
        hand, rest = Hand(bulk, [], []), IDLE_SECONDS
        try:
            bites = self._bites(bulk, handed, clock.now())
            asking = [bite for bite in bites if bite.requests]
            if asking:
                hand, rest = self._reserved(asking, bulk)
        finally:
            given = [request.pk for turn in hand.turns for request in turn.requests]
            self._turnstile.leave(
                given,
                bulk=bulk,
                rest=rest,
                keep=(BULK_AHEAD_SECONDS if bulk else MAX_AHEAD_SECONDS) + CLAIM_GRACE_SECONDS,
            )
        if not bites:
            self._limits.get_ready()
        return Round([hand] if hand.turns else [], rest, busy=bool(bites))

    def _bites(self, bulk: bool, handed: Collection[int], now: datetime) -> list[_Bite]:
        with reading(self._session) as session:
            lines = ledger.turn_queues(session, bulk=[bulk])
            # With one moment for all lines, no line must always be the first.
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
        """Return how many rows of this line ask: one more than it can get moments, if that number is known."""
        rates = [rate for rate in (line.rate, self._limits.rate) if rate]
        if self._limits.by_domain or not rates:
            return max(1, min(LINE_ROWS, ROUND_ROWS // lines))
        return min(
            LINE_ROWS,
            ceil(min(rates) * (MAX_BEHIND_SECONDS + BULK_AHEAD_SECONDS if line.bulk else MAX_AHEAD_SECONDS)) + 2,
        )

    def _reserved(self, bites: Sequence[_Bite], bulk: bool) -> tuple[Hand, float]:
        """Return the turns of the rows that got a moment, and the seconds until the next round makes sense."""
        asking = [ask for ask in chain(*zip_longest(*map(_tagged, bites))) if ask is not None]
        started = time.monotonic()
        within, back = (BULK_AHEAD_SECONDS, MAX_BEHIND_SECONDS) if bulk else (MAX_AHEAD_SECONDS, 0.0)
        grants = self._limits.reserve([request for _, request in asking], within=within, back=back)
        rest = IDLE_SECONDS
        turns: dict[tuple[int, tuple[str, ...]], Turn] = {}
        for (bite, request), grant in zip(asking, grants, strict=True):
            if grant.delay is None:
                rest = min(rest, self._until(grant))
                continue
            number = ceil((started + grant.delay) / SAME_TURN_SECONDS)
            turn = Turn(number * SAME_TURN_SECONDS, urgent=not bulk)
            turns.setdefault((number, self._limits.line(request)), turn).requests.append(request)
            bite.granted += 1
        full = [bite for bite in bites if bite.granted == len(bite.requests)]
        for bite in full:
            rest = min(rest, MORE_SECONDS if bite.more else LOOK_EVERY_SECONDS)
        ends = [bite.requests[-1].pk for bite in full if not bite.more]
        return Hand(bulk, sorted(turns.values(), key=lambda turn: turn.moment), ends), rest

    def _until(self, grant: Grant) -> float:
        """Return the seconds until a row that got no moment, or one behind it, may get one."""
        if self._limits.by_places:
            return PLACE_SECONDS
        soon = max(MORE_SECONDS, (grant.retry_in or 0.0) - (BULK_AHEAD_SECONDS - LOOK_EVERY_SECONDS))
        return min(soon, LOOK_EVERY_SECONDS) if self._limits.by_domain else soon


def _tagged(bite: _Bite) -> list[tuple[_Bite, Request]]:
    return [(bite, request) for request in bite.requests]
