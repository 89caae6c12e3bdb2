"""Keeps the claims of this process alive, and stops it from sending when it cannot.

A claim holds for a short lease. While a batch is under way a thread renews the leases of its process, so that those
of a lost host end soon. A process that could not renew begins no further email: before its leases end, so that no
email goes out that another host has taken over meanwhile.
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
    """Seconds. `heartbeat` < `fence` < `length`."""

    #: How long a claim holds that is not renewed.
    length: float = 30.0
    #: After so long without a renewal, nothing more is begun.
    fence: float = 20.0
    #: Between two renewals.
    heartbeat: float = 5.0


class Hold:
    """The leases of one batch, as this process knows them."""

    def __init__(self, fence: float) -> None:
        """Before the first claim."""
        self._fence = fence
        #: From here on the present leases count: never later than the database counts them from.
        self._since = elapsed()
        self._lost = False

    def is_lost(self) -> bool:
        """Return whether another host may have taken the rows of this batch. Once lost, a hold stays lost."""
        if not self._lost and elapsed() - self._since > self._fence:
            self._lost = True
        return self._lost

    def renewed(self, begun: float, done: float) -> None:
        """Take note of a renewal that was asked for at `begun` and had been made at `done` (`clock.elapsed`)."""
        # One that came late may have found the leases over, and the rows in other hands.
        if done - self._since > self._fence:
            self._lost = True
        elif not self._lost:
            self._since = max(self._since, begun)


class Leases:
    """The leases of this process, renewed by one thread for as long as batches are under way."""

    def __init__(
        self,
        renew: Callable[[Collection[str], datetime, datetime], Any],
        now: Callable[[], datetime],
        times: LeaseTimes = LeaseTimes(),  # a frozen value
    ) -> None:
        """`renew(owners, now, until)` writes it, in a transaction of its own; `now` is the database's clock.

        Both are called in a thread of this object's.
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
        """Renew until no batch is left: the next one starts another thread."""
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
