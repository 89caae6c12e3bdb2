"""The sweep: whatever the broker lost, a killed worker held or time has overtaken is found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.recovery.replay import replay
from notifier.observability import heartbeats

log = structlog.get_logger(__name__)

#: Rows looked at in one go: short transactions, and a long backlog cannot hold a worker.
CHUNK = 1000

#: Rings of so many rows in one sweep: a whole zone's mail of a campaign is due at the same moment.
ROUNDS = 20

#: A bell that was rung is given so long before it is rung again; a backlog of bulk mail takes its time.
ENQUEUE_AGAIN_AFTER = {False: timedelta(seconds=60), True: timedelta(minutes=10)}


#: Email that waits for a rate limit is rung for where no pump has shown for so long that it sends it.
PUMP_LATE = timedelta(seconds=30)

#: Before any row was due: the bell goes back to that moment.
_DUE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: claims given back, mails expired, keys enqueued, keys the broker refused."""

    lapsed: int
    expired: int
    rung: int
    refused: int


class Sweep:
    """Owns its short transactions."""

    def __init__(
        self,
        session: Callable[[], Session],
        publish: Callable[..., bool],
        journals: Path,
        lease_clock: Callable[[], datetime] = clock.now,
        alone_from: int = 2,
    ) -> None:
        """`publish(keys, bulk=...)` is the outbox's; `journals` is the folder of this host's journals.

        `lease_clock` is the clock by which leases are given, the database's. alone_from: deaths of processes after
        which an email is made alone.
        """
        self._session = session
        self._publish = publish
        self._journals = journals
        self._lease_clock = lease_clock
        self._alone_from = alone_from

    def run(self) -> Swept:
        """Sweep once, oldest first, at most CHUNK rows of each sort; rings for ROUNDS times as many."""
        replay(self._session, self._journals, alone_from=self._alone_from)
        lease_now = self._lease_clock()
        session = self._session()
        now = clock.now()
        heartbeats.beat(session, "sweep", now)
        lapsed = ledger.expire_leases(session, now=now, lease_now=lease_now, limit=CHUNK, alone_from=self._alone_from)
        expired = ledger.expire(session, now=now, limit=CHUNK)
        self._help_out(session, now)
        session.commit()

        rung = refused = 0
        for _ in range(ROUNDS):
            waiting = self._overdue(now)
            for bulk in (False, True):
                heard, unheard = self._ring([key for key, is_bulk in waiting if is_bulk is bulk], bulk, now)
                rung += heard
                refused += unheard
            if refused or len(waiting) < CHUNK:
                break
        swept = Swept(lapsed, expired, rung, refused)
        if lapsed or expired or rung or refused:
            log.info("sweep.done", lapsed=lapsed, expired=expired, rung=rung, refused=refused)
        return swept

    def _help_out(self, session: Session, now: datetime) -> None:
        """Ring for the first of those who wait for a rate limit, if no pump does it: what may go goes, slowly."""
        age = heartbeats.age(session, heartbeats.PUMP, now)
        if age is not None and age < PUMP_LATE.total_seconds():
            return
        for line in ledger.turn_queues(session, bulk=(False, True)):
            few = CHUNK if line.rate is None else ceil(line.rate * PUMP_LATE.total_seconds())
            rows = ledger.stop_waiting(session, line, now=now, since=now - PUMP_LATE, limit=min(few, CHUNK))
            if rows:
                log.warning("sweep.no_pump", run=line.run_id, rows=rows)

    def _overdue(self, now: datetime) -> list[tuple[int, bool]]:
        session = self._session()
        waiting = ledger.overdue(session, now=now, limit=CHUNK)
        session.commit()
        return waiting

    def _ring(self, overdue: Sequence[int], bulk: bool, seen: datetime) -> tuple[int, int]:
        """Returns for how many rows the bell was heard, and for how many it was not.

        First it is noted and then rung: whoever heard it while the note was being written would find the row locked,
        pass over it, and it would wait for the next bell. A kill between the two makes the rows wait so, too.
        """
        if not overdue:
            return 0, 0
        again_at = clock.now() + ENQUEUE_AGAIN_AFTER[bulk]
        keys = self._note(overdue, seen, again_at)
        if self._publish(keys, bulk=bulk):
            return len(keys), 0
        # Nobody heard: the next sweep finds them again, in the order in which they became due.
        self._note(keys, again_at, _DUE)
        return 0, len(keys)

    def _note(self, keys: Sequence[int], seen: datetime, again_at: datetime) -> list[int]:
        session = self._session()
        noted = set(ledger.mark_enqueued(session, keys, seen=seen, again_at=again_at))
        session.commit()
        return [key for key in keys if key in noted]
