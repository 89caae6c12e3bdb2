"""Renew the leases of this process's claims, and stop it from sending when it cannot.

A claim holds for a short lease. While a batch is under way a thread renews the leases of its process, so that those of
a crashed host end soon. A process that could not renew begins no further email. It stops before its leases end, so that
it sends no email that another host has taken over.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from notifier.clock import elapsed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Times in seconds; `heartbeat` < `fence` < `length`."""

    #: How long a claim holds if it is not renewed.
    length: float = 30.0
    #: Time without a renewal after which nothing more is begun.
    fence: float = 20.0
    #: Time between two renewals.
    heartbeat: float = 5.0


class Hold:
    """The leases of one batch, as this process knows them."""

    def __init__(self, fence: float) -> None:
        """Start the count. Create it before the first claim."""
        self._fence = fence
        #: Start of the present leases: never later than the database counts them from.
        self._since = elapsed()
        self._lost = False

    def is_lost(self) -> bool:
        """Return whether another host may have taken the rows of this batch. A lost hold stays lost."""
        if not self._lost and elapsed() - self._since > self._fence:
            self._lost = True
        return self._lost

    def renewed(self, begun: float, done: float) -> None:
        """Note a renewal that was requested at `begun` and confirmed at `done` (`clock.elapsed`)."""
        # A late renewal may have found the leases expired, and the rows claimed by another worker.
        if done - self._since > self._fence:
            self._lost = True
        elif not self._lost:
            self._since = max(self._since, begun)


class Leases:
    """The leases of this process, renewed by one thread while batches are under way."""

    def __init__(
        self,
        renew: Callable[[Collection[str], datetime, datetime], Any],
        now: Callable[[], datetime],
        times: LeaseTimes = LeaseTimes(),  # a frozen value
    ) -> None:
        """Renew with `renew(owners, now, until)`, a transaction of its own. `now` returns the database's clock.

        Both are called in a thread of this object.
        """
        self.length = timedelta(seconds=times.length)
        self.now = now
        self._renew = renew
        self._times = times
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._holds: dict[Hold, str] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, owner: str) -> Iterator[Hold]:
        """Keep the claims of `owner` alive. Enter it before the first claim."""
        if self._pid != os.getpid():
            self._forget()
        hold = Hold(self._times.fence)
        with self._lock:
            self._holds[hold] = owner
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
                self._thread.start()
        try:
            yield hold
        finally:
            with self._lock:
                del self._holds[hold]

    def _beat(self) -> None:
        """Renew until no batch is left; the next batch starts another thread."""
        pause = threading.Event()
        try:
            while True:
                pause.wait(self._times.heartbeat)
                with self._lock:
                    holds = dict(self._holds)
                    if not holds:
                        self._thread = None
                        return
                self._renew_all(holds)
        except BaseException:
            with self._lock:
                self._thread = None
            raise

    def _renew_all(self, holds: dict[Hold, str]) -> None:
        begun = elapsed()
        try:
            now = self.now()
            self._renew(set(holds.values()), now, now + self.length)
        except (SQLAlchemyError, OSError) as error:
            log.warning("lease.not_renewed", error=type(error).__name__)
            return
        done = elapsed()
        for hold in holds:
            hold.renewed(begun, done)
