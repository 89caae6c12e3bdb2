"""Content that cannot be made: a run whose emails fail before they are sent is paused, with the reason.

What cannot be made for one person may be fine for the next. Where it is too many, an operator has to correct the
content, and meanwhile the emails wait instead of failing one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog

log = structlog.get_logger(__name__)

#: When so many were made or not, what was long ago counts half.
MEMORY = 1000

#: Runs that are counted at a time; the oldest is forgotten.
RUNS = 1000

#: Pauses a run: (its key, how many of how many failed, the error in words).
Pause = Callable[[int, int, int, str], None]


@dataclass(slots=True)
class _Count:
    tried: float = 0
    failed: float = 0
    error: str = ""


class Failing:
    """What this process could not make, by run. One instance serves all threads."""

    def __init__(self, pause: Pause, *, share: float, least: int) -> None:
        """`share` of 1: more than this not made, of `least` emails or more, pauses the run."""
        self._pause = pause
        self._share = share
        self._least = least
        self._counts: dict[int, _Count] = {}
        self._lock = Lock()

    def made(self, run_id: int) -> bool:
        """Count an email that was made at its first attempt. Return True if the run is paused now."""
        count = self._counts.get(run_id)
        if count is not None and count.failed:
            return self._counted(run_id, "")
        with self._lock:
            self._of(run_id).tried += 1
        return False

    def failed(self, run_id: int, error: str) -> bool:
        """Count an email that could not be made at its first attempt. Return True if the run is paused now."""
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
            # Whoever resumes the run has looked at it: it starts anew.
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
