"""Publish the keys of stored rows, without ever failing the caller.

Enqueueing is a hint. A broker that is down or hangs must neither fail nor slow the request that stored
the row: the outbox logs, counts, and leaves the rest to the sweep.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger(__name__)

#: Hands primary keys to the broker: (keys, bulk). Raises whatever the broker's client raises.
Publish = Callable[[Sequence[int], bool], None]


class Cooldown:
    """Stops asking a broker that just failed, so that no request pays for it twice."""

    def __init__(self, rest: float = 3.0) -> None:
        """`rest`: seconds without a try after a failure."""
        self._rest = rest
        self._closed_again = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """True when a try may be made. One caller probes; the others wait for its result."""
        moment = time.monotonic()
        with self._lock:
            if moment < self._closed_again:
                return False
            if self._closed_again:
                self._closed_again = moment + self._rest
            return True

    def failed(self) -> None:
        """Start the rest."""
        with self._lock:
            self._closed_again = time.monotonic() + self._rest

    def succeeded(self) -> None:
        """Back to normal."""
        with self._lock:
            self._closed_again = 0.0


class Outbox:
    """Publishes the keys of stored rows, without ever failing its caller."""

    def __init__(self, publish: Publish, *, cooldown: Cooldown | None = None) -> None:
        """`publish` hands keys to the broker; see `notifier.tasks.publisher`."""
        self._publish = publish
        self._cooldown = cooldown or Cooldown()
        #: Keys that the broker took, since this process started.
        self.published = 0
        #: Keys that the sweep has to ring for, since this process started.
        self.left_to_sweep = 0

    def publish(self, keys: Sequence[int], *, bulk: bool = False) -> bool:
        """Ring for these keys. False where the broker did not take them; never raises for that."""
        if not keys:
            return True
        if not self._cooldown.allows():
            self.left_to_sweep += len(keys)
            return False
        try:
            self._publish(keys, bulk)
        except Exception as error:
            # Whatever the client of whichever broker raises: the rows are stored, and the sweep finds them.
            self._cooldown.failed()
            self.left_to_sweep += len(keys)
            log.warning("outbox.broker_unavailable", error=type(error).__name__, keys=len(keys))
            return False
        self._cooldown.succeeded()
        self.published += len(keys)
        return True


def never(_keys: Sequence[int], _bulk: bool) -> None:
    """Publishes nothing: what a process without a broker does. The sweep of one that has a broker finds the rows."""
    raise ConnectionError("no broker is configured")


def nobody(_keys: Sequence[int], _bulk: bool) -> None:
    """Rings for nobody, and is content: for tests that replace the broker."""
