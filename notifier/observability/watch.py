"""Watch: the newest look at everything, made beside the pages that show it, so that none of them waits for a server.

While pages ask, a thread looks again and again. It ends when no page has asked for a minute. A look is bounded in time
(`asking.py`), and its answer is kept until the next one.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from notifier import clock
from notifier.observability.causes import Problem, Sighting, diagnose
from notifier.observability.check import HealthCheck

log = structlog.get_logger(__name__)

#: Seconds without a question after which the thread ends.
IDLE_SECONDS = 60.0

#: Seconds after which a look is too old to be shown.
STALE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at one moment."""

    at: datetime
    checks: Sequence[HealthCheck]
    #: The causes, the deepest first; empty if all is well.
    problems: Sequence[Problem]


class Memory:
    """Remember since when each check fails, over several looks."""

    def __init__(self) -> None:
        self._failing: dict[str, Sighting] = {}
        self._looked = False

    def note(self, checks: Sequence[HealthCheck], now: datetime) -> dict[str, Sighting]:
        """Add a look. Return the sightings of the checks that fail."""
        first = {check.name: Sighting(now, self._looked) for check in checks if not check.ok}
        self._failing = {name: self._failing.get(name, sighting) for name, sighting in first.items()}
        self._looked = True
        return dict(self._failing)


class Watch:
    """Look at everything in a thread of its own. Threads may share an instance; a fork begins without the thread."""

    def __init__(self, look: Callable[[], Sequence[HealthCheck]], transports: Collection[str], *, every: float) -> None:
        """Call `look` every `every` seconds while pages ask. With 0 there is no watch, and `latest` returns None."""
        self._look = look
        self._transports = transports
        self._every = every
        self._memory = Memory()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = 0.0
        self._newest: tuple[float, Look] | None = None
        self._stopped = threading.Event()

    @property
    def is_on(self) -> bool:
        """Whether it ever looks."""
        return self._every > 0

    def latest(self) -> Look | None:
        """Return the newest look at once, and see to it that a newer one follows. None if there is none yet."""
        if not self.is_on:
            return None
        with self._lock:
            self._asked = time.monotonic()
            if (self._thread is None or not self._thread.is_alive()) and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
        newest = self._newest
        return newest[1] if newest and time.monotonic() - newest[0] < STALE_SECONDS else None

    def look(self) -> Look:
        """Look now, and wait for the answers."""
        checks, now = self._look(), clock.now()
        found = Look(now, checks, diagnose(checks, self._memory.note(checks, now), self._transports))
        self._newest = (time.monotonic(), found)
        return found

    def stop(self) -> None:
        """End the thread, and wait for the look that it makes."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while time.monotonic() - self._asked < IDLE_SECONDS:
            try:
                self.look()
            except Exception:
                # The pages show no banner then; the health page asks by itself.
                log.exception("watch.failed")
            if self._stopped.wait(self._every):
                return
