"""The pump: send emails that wait for a rate limit, each at its moment, beside this process's tasks.

A task would hold a worker slot while it waits for a moment, and a message would wait behind those of other campaigns.
So the pump's own threads send these rows straight from the ledger, and broker and slots stay free for other emails. If
no process has a pump, the sweep enqueues these rows.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import clock, stopping
from notifier.database.transaction import transaction
from notifier.delivery.throttle.handout import IDLE_SECONDS, Hand, HandOut
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.timed_starts import Pacing
from notifier.observability import heartbeats

log = structlog.get_logger(__name__)

#: Hands sent at the same time: a round hands out emails before the moments of the three rounds before it are over, and
#: the last emails of a hand may wait for the server. With fewer hands a round would wait and its moments would pass.
AT_ONCE = 5

#: Seconds until the next round after a failed one.
RETRY_SECONDS = 2.0

#: Seconds for which the end of a run is looked at again after each hand. Later the tick closes it.
END_SECONDS = 30.0

#: Seconds between two heartbeats while emails wait.
HEARTBEAT_SECONDS = 5.0


class Pump:
    """One pump per sending process. Call `start` after any fork."""

    def __init__(
        self,
        session: Callable[[], Session],
        hand_out: HandOut,
        limits: Limits,
        send: Callable[[Pacing, bool], Any],
        *,
        context: Callable[[], AbstractContextManager[Any]],
        ended: Callable[[int], bool],
        is_held: Callable[[], bool],
    ) -> None:
        """Prepare a pump that sends with `send(pacing, bulk)`.

        Args:
            context: Opens the application context that `session` needs in a thread.
            ended: Called with the key of the last email of a run. Returns False if the run has other emails yet.
            is_held: Returns True while nothing may be sent from this database.
        """
        self._session = session
        self._hand_out = hand_out
        self._limits = limits
        self._send = send
        self._context = context
        self._ended = ended
        self._is_held = is_held
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._signed = float("-inf")
        self._free = threading.Semaphore(AT_ONCE)
        self._ends: dict[int, float] = {}
        self._ends_lock = threading.Lock()

    def start(self) -> None:
        """Start the thread that hands out and sends emails."""
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Stop handing out, and wait at most `patience` seconds for the emails handed out already."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="pump") as pool:
            while not self._stop.is_set() and not stopping.is_asked():
                # Hand out only if a hand can begin at once.
                if self._free.acquire(timeout=0.5):
                    self._free.release()
                    self._stop.wait(self._round(pool))

    def _round(self, pool: ThreadPoolExecutor) -> float:
        """Hand out once. Return the seconds until the next round."""
        try:
            with self._context():
                if self._is_held():
                    return IDLE_SECONDS
                found = self._hand_out.round()
                if found.busy:
                    self._sign()
        except Exception as error:
            # Any error: if this thread ended, all emails that wait for a limit would stop.
            log.error("pump.failed", exc_info=None if isinstance(error, SQLAlchemyError) else error)
            return RETRY_SECONDS
        for hand in found.hands:
            self._free.acquire()
            pool.submit(self._deal, hand)
        return found.rest

    def _deal(self, hand: Hand) -> None:
        pacing = Pacing(hand.turns, self._limits)
        try:
            with self._context():
                self._send(pacing, hand.bulk)
                self._end(hand.ends)
        except Exception as error:
            # The journal holds the outcomes of this hand so far; its other rows keep waiting.
            log.error("pump.hand_failed", rows=len(pacing.requests), exc_info=error)
        finally:
            self._limits.release(pacing.requests)
            self._free.release()

    def _end(self, pks: Iterable[int]) -> None:
        """Try to close the runs of these last emails, and those that could not be closed before.

        A hand with the last email can be through before another one of the same run. An end is noted before it is
        tried, so whichever hand settles last finds it.
        """
        now = time.monotonic()
        with self._ends_lock:
            self._ends = {pk: until for pk, until in self._ends.items() if until > now}
            self._ends |= dict.fromkeys(pks, now + END_SECONDS)
            noted = list(self._ends)
        for pk in noted:
            if self._ended(pk):
                with self._ends_lock:
                    self._ends.pop(pk, None)

    def _sign(self) -> None:
        """Store a heartbeat: emails that wait are being sent."""
        if time.monotonic() - self._signed >= HEARTBEAT_SECONDS:
            self._signed = time.monotonic()
            with transaction(self._session) as session:
                heartbeats.beat(session, heartbeats.PUMP, clock.now())
