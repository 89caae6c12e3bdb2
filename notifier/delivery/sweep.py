"""The sweep: find emails that the broker lost, that a killed worker held or that have expired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.recovery.replay import replay
from notifier.delivery.sweep_window import SweepWindow
from notifier.observability import heartbeats

log = structlog.get_logger(__name__)

#: Rows handled at once: transactions stay short, and a long backlog cannot occupy a worker.
CHUNK = 1000

#: Chunks enqueued in one sweep: a campaign's emails for a whole time zone fall due at the same moment.
ROUNDS = 20

#: Time before a row is enqueued again, by whether it is bulk; a backlog of bulk emails takes longer.
ENQUEUE_AGAIN_AFTER = {False: timedelta(seconds=60), True: timedelta(minutes=10)}


#: Age of the last pump heartbeat above which emails that wait for a rate limit are enqueued.
PUMP_LATE = timedelta(seconds=30)

#: Earlier than any row was due: rows that the broker refused get this `enqueue_at`.
_DUE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Swept:
    """Counts of one sweep: claims given back, emails expired, keys enqueued, keys the broker refused."""

    leases_expired: int
    expired: int
    enqueued: int
    refused: int


class Sweep:
    """Find overdue rows in short transactions of its own."""

    def __init__(
        self,
        session: Callable[[], Session],
        publish: Callable[..., bool],
        journals: Path,
        lease_clock: Callable[[], datetime] = clock.now,
        alone_from: int = 2,
        *,
        chunk: int = CHUNK,
        enqueue_again_after: Mapping[bool, timedelta] = ENQUEUE_AGAIN_AFTER,
    ) -> None:
        """Prepare a sweep of this host's journals and the ledger.

        Args:
            publish: Enqueues keys; the outbox's `publish(keys, bulk=...)`.
            journals: Folder of this host's journals.
            lease_clock: The clock that leases are given by: the database's.
            alone_from: Process deaths after which an email is composed alone.
            chunk: Rows handled at once.
            enqueue_again_after: Time before a row is enqueued again, by whether it is bulk.
        """
        self._session = session
        self._publish = publish
        self._journals = journals
        self._lease_clock = lease_clock
        self._alone_from = alone_from
        self._window = SweepWindow()
        self.chunk = chunk
        self.enqueue_again_after = enqueue_again_after

    def run(self) -> Swept:
        """Sweep once, oldest rows first, at most `chunk` of each kind; enqueue up to ROUNDS times as many."""
        replay(self._session, self._journals, alone_from=self._alone_from)
        lease_now = self._lease_clock()
        session = self._session()
        now = clock.now()
        since = self._window.since(session, now)
        heartbeats.beat(session, "sweep", now)
        freed = ledger.expire_leases(
            session,
            now=now,
            lease_now=lease_now,
            since=None if since is None else lease_now - (now - since),
            limit=self.chunk,
            alone_from=self._alone_from,
        )
        expired = ledger.expire(session, now=now, since=since, limit=self.chunk)
        self._help_out(session, now)
        session.commit()
        enqueued, refused, left = self._enqueue_overdue(now, since)
        if refused:
            self._window.refused(session)
        elif not left and max(freed, expired) < self.chunk:
            self._window.completed(session, now, since)
        session.commit()
        swept = Swept(freed, expired, enqueued, refused)
        if freed or expired or enqueued or refused:
            log.info("sweep.done", leases_expired=freed, expired=expired, enqueued=enqueued, refused=refused)
        else:
            log.debug("sweep.idle")
        return swept

    def _enqueue_overdue(self, now: datetime, since: datetime | None) -> tuple[int, int, bool]:
        """Return (rows enqueued, rows the broker refused, whether more are overdue)."""
        enqueued = refused = 0
        for _ in range(ROUNDS):
            waiting = self._overdue(now, since)
            for bulk in (False, True):
                heard, unheard = self._enqueue([key for key, is_bulk in waiting if is_bulk is bulk], bulk, now)
                enqueued += heard
                refused += unheard
            if refused or len(waiting) < self.chunk:
                return enqueued, refused, False
        return enqueued, refused, True

    def _help_out(self, session: Session, now: datetime) -> None:
        """Enqueue a few rows that wait for a rate limit if no pump sends them."""
        age = heartbeats.age(session, heartbeats.PUMP, now)
        if age is not None and age < PUMP_LATE.total_seconds():
            return
        for line in ledger.turn_queues(session, bulk=(False, True)):
            few = self.chunk if line.rate is None else ceil(line.rate * PUMP_LATE.total_seconds())
            rows = ledger.stop_waiting(session, line, now=now, since=now - PUMP_LATE, limit=min(few, self.chunk))
            if rows:
                log.warning("sweep.no_pump", run=line.run_id, rows=rows)

    def _overdue(self, now: datetime, since: datetime | None) -> list[tuple[int, bool]]:
        session = self._session()
        waiting = ledger.overdue(session, now=now, since=since, limit=self.chunk)
        session.commit()
        return waiting

    def _enqueue(self, overdue: Sequence[int], bulk: bool, seen: datetime) -> tuple[int, int]:
        """Return (rows enqueued, rows the broker refused).

        The rows are marked before they are published. A worker that got a key while it was being marked would find the
        row locked, skip it, and the email would wait for the next sweep. A process killed between the two steps has the
        same effect.
        """
        if not overdue:
            return 0, 0
        again_at = clock.now() + self.enqueue_again_after[bulk]
        keys = self._note(overdue, seen, again_at)
        if self._publish(keys, bulk=bulk):
            return len(keys), 0
        # The broker refused them: the next sweep finds them again, in the order in which they fell due.
        self._note(keys, again_at, _DUE)
        return 0, len(keys)

    def _note(self, keys: Sequence[int], seen: datetime, again_at: datetime) -> list[int]:
        session = self._session()
        noted = set(ledger.mark_enqueued(session, keys, seen=seen, again_at=again_at))
        session.commit()
        return [key for key in keys if key in noted]
