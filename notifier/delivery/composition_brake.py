"""Pause a run whose emails cannot be composed, with the reason.

Content that fails for one person may work for the next. If it fails for too many, an operator has to correct it; until
then the emails wait instead of failing one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog

log = structlog.get_logger(__name__)

#: After this many emails all counts are halved.
MEMORY = 1000

#: Runs counted at the same time; the oldest is dropped.
RUNS = 1000

#: Pauses a run: (its key, emails that failed, emails tried, the error for people).
Pause = Callable[[int, int, int, str], None]


@dataclass(slots=True)
class _Count:
    tried: float = 0
    failed: float = 0
    error: str = ""


class Failing:
    """Composition failures that this process has met, by run. One instance serves all threads."""

    def __init__(self, pause: Pause, *, share: float, least: int) -> None:
        """Pause a run if more than `share` (0 to 1) of its emails fail, once at least `least` were tried."""
        self._pause = pause
        self._share = share
        self._least = least
        self._counts: dict[int, _Count] = {}
        self._lock = Lock()

    def made(self, run_id: int) -> bool:
        """Count an email that was composed at its first attempt. Return True if this call paused the run."""
        count = self._counts.get(run_id)
        if count is not None and count.failed:
            return self._counted(run_id, "")
        with self._lock:
            self._of(run_id).tried += 1
        return False

    def failed(self, run_id: int, error: str) -> bool:
        """Count an email that could not be composed at its first attempt. Return True if this call paused the run."""
        return self._counted(run_id, error)

    def _counted(self, run_id: int, error: str) -> bool:
        with self._lock:
            count = self._of(run_id)
            count.tried += 1
            count.failed += bool(error)
            count.error = error or count.error
            if count.tried > MEMORY:
                count.tried, count.failed = count.tried / 2, count.failed / 2
            if count.tried < self._least or count.failed <= self._share * count.tried:
                return False
            # An operator who resumes the run has looked at it, so the count starts anew.
            del self._counts[run_id]
        log.error("run.content_failing", run=run_id, failed=count.failed, tried=count.tried, error=count.error)
        self._pause(run_id, round(count.failed), round(count.tried), count.error)
        return True

    def _of(self, run_id: int) -> _Count:
        count = self._counts.get(run_id)
        if count is None:
            if len(self._counts) >= RUNS:
                del self._counts[min(self._counts)]
            count = self._counts[run_id] = _Count()
        return count
