"""Find how many connections to use for one mail server: few at first, more while its replies are slow.

One more connection helps only while the sending thread has emails and waits for replies. Each of them holds an email
that is uncertain if the process is killed, so there should be no more than that. A server that refuses a connection,
while others are open, has told its limit.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

import structlog

log = structlog.get_logger(__name__)

#: Connections of a process before its server is known.
START = 4
#: Seconds for which a number that the server refused is not tried again.
REFUSED_SECONDS = 3600.0
#: The same if the network failed and no reply said why: the connection may have been lost for another reason.
LOST_SECONDS = 60.0
#: Share of the time, with emails at hand and all connections busy, that was spent waiting for replies: from the first
#: on the number grows, below the second it shrinks.
SLOW, QUICK = 0.15, 0.05
#: Seconds between two changes: the connections of one step should be at work before the next one is judged.
STEP_SECONDS = 0.045


class ConnectionCount:
    """The number of connections of one process to one mail server. Its threads share an instance."""

    def __init__(self, ceiling: int, now: Callable[[], float] = monotonic) -> None:
        """Start with few connections, `ceiling` at most. `now` returns monotonic seconds."""
        self.ceiling = ceiling
        self._now = now
        self._found = min(START, ceiling)
        #: The number that the server allowed when it refused one more, and until when that counts.
        self._refused = ceiling
        self._refused_until = 0.0
        self._in_use = 0
        self._changed = float("-inf")
        self._lock = Lock()

    @property
    def allowed(self) -> int:
        """Return how many connections all batches together may use now."""
        return min(self._found, self._refused) if self._now() < self._refused_until else self._found

    def has_room(self, own: int) -> bool:
        """Return whether a batch with `own` connections may use one more. The first one is always allowed."""
        return not own or self._in_use < self.allowed

    def room(self, own: int) -> int:
        """Return how many more connections a batch with `own` connections may use."""
        return max(self.allowed - self._in_use, 0 if own else 1)

    def use(self) -> None:
        """Count one connection that a batch uses."""
        with self._lock:
            self._in_use += 1

    def leave(self, connections: int = 1) -> None:
        """Count connections that a batch no longer uses."""
        with self._lock:
            self._in_use -= connections

    def refuse(self, *, by_reply: bool) -> None:
        """Learn that the server refused one more connection than are in use now.

        Args:
            by_reply: A reply of the server said so. Otherwise the network failed, which counts for a short time.
        """
        with self._lock:
            before = self.allowed
            self._refused = max(1, min(self._in_use, before))
            self._refused_until = self._now() + (REFUSED_SECONDS if by_reply else LOST_SECONDS)
            self._found = min(self._found, self._refused)
        if self._refused < before:
            log.info("smtp.connections_refused", allowed=self._refused, by_reply=by_reply)

    def shrink(self) -> None:
        """Halve the number: the server ended a session. It may grow again."""
        with self._lock:
            now = self._now()
            if now - self._changed >= STEP_SECONDS:
                self._found, self._changed = max(1, self._found // 2), now

    def judge(self, waited: float) -> None:
        """Grow or shrink.

        Args:
            waited: The share, 0 to 1, of a batch's time that it spent waiting for replies, while it had emails at hand
                and could use no further connection.
        """
        with self._lock:
            now = self._now()
            if now - self._changed < STEP_SECONDS:
                return
            if waited >= SLOW:
                found = min(2 * self._found, self.ceiling)
            elif waited < QUICK:
                found = min(self._found, max(START, self._found // 2))
            else:
                return
            if now < self._refused_until:
                found = min(found, self._refused)
            if found != self._found:
                log.debug("smtp.connections", allowed=found, before=self._found)
                self._found, self._changed = found, now


class Stretch:
    """Adds up, between two judgements, how long a batch had emails but no free connection, and how long it waited."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._lasted = self._waited = 0.0

    def add(self, lasted: float, waited: float) -> None:
        """Add one step of `lasted` seconds, of which `waited` were spent waiting for replies."""
        self._lasted += lasted
        self._waited += waited

    def end(self, least: float) -> float | None:
        """Return the share of waiting and start anew. None if less than `least` seconds were seen."""
        lasted, waited = self._lasted, self._waited
        self._lasted = self._waited = 0.0
        return waited / lasted if lasted >= least else None
