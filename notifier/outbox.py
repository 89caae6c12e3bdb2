"""Publish the keys of stored rows, without ever failing the caller.

Enqueueing is a hint. A broker that is down or hangs must neither fail nor slow the request that stored
the row: the outbox logs, counts, and leaves the rest to the sweep.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from notifier.outbox_relay import Relay

log = structlog.get_logger(__name__)

#: Hands primary keys to the broker: (keys, bulk). Raises the errors of the broker's client.
Publish = Callable[[Sequence[int], bool], None]


class Cooldown:
    """A pause after a failure of the broker, so that no second request waits for it."""

    def __init__(self, rest: float = 3.0) -> None:
        """Create one. `rest`: seconds without an attempt after a failure."""
        self._rest = rest
        self._closed_again = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Return True if the caller may try. After a pause, one caller probes while others still skip the broker."""
        moment = time.monotonic()
        with self._lock:
            if moment < self._closed_again:
                return False
            if self._closed_again:
                self._closed_again = moment + self._rest
            return True

    def failed(self) -> None:
        """Begin the pause."""
        with self._lock:
            self._closed_again = time.monotonic() + self._rest

    def succeeded(self) -> None:
        """End the pause."""
        with self._lock:
            self._closed_again = 0.0


class Outbox:
    """A publisher of the keys of stored rows that never fails its caller."""

    def __init__(self, publish: Publish, *, cooldown: Cooldown | None = None) -> None:
        """Create one. `publish` hands keys to the broker; see `notifier.tasks.publisher`."""
        #: What takes the keys. A test may replace it.
        self.hand_over = publish
        self._cooldown = cooldown or Cooldown()
        self._relay: Relay | None = None
        #: Keys that the broker took, since this process started.
        self.published = 0
        #: Keys left to the sweep, since this process started.
        self.left_to_sweep = 0

    def relay(self) -> None:
        """Publish people's own emails in a thread of this process from now on: for servers of web pages."""
        self._relay = Relay(lambda keys: self._hand_over(keys, False))

    def close(self) -> None:
        """Publish what the thread still has, and end it."""
        if self._relay is not None:
            self._relay.close()

    def publish(self, keys: Sequence[int], *, bulk: bool = False) -> bool:
        """Enqueue these keys. Return False, and raise nothing, if the broker did not take them.

        True if they wait for the thread of `relay`, too: the sweep finds those that the broker then does not take.
        """
        if not keys:
            return True
        if self._relay is not None and not bulk and self._relay.take(keys):
            return True
        return self._hand_over(keys, bulk)

    def _hand_over(self, keys: Sequence[int], bulk: bool) -> bool:
        if not self._cooldown.allows():
            self.left_to_sweep += len(keys)
            return False
        try:
            self.hand_over(keys, bulk)
        except Exception as error:
            # Any error of a broker's client: the rows are stored, and the sweep finds them.
            self._cooldown.failed()
            self.left_to_sweep += len(keys)
            log.warning("outbox.broker_unavailable", error=type(error).__name__, keys=len(keys))
            return False
        self._cooldown.succeeded()
        self.published += len(keys)
        return True


def never(_keys: Sequence[int], _bulk: bool) -> None:
    """Raise: this process has no broker. The sweep of a process with a broker finds the rows."""
    raise ConnectionError("no broker is configured")


def discard(_keys: Sequence[int], _bulk: bool) -> None:
    """Publish nothing and succeed: for tests that replace the broker."""
