"""The health check of a single process, for containers, which can only restart it.

So it ignores all faults that a restart cannot fix: a broker or database that is away, uncertain emails.
`notifier health` reports those.
"""

from pathlib import Path

import structlog
from celery import Celery

from notifier import clock
from notifier.config.settings import Settings
from notifier.observability.check import HealthCheck
from notifier.tasks.unread_queues import AWAY

log = structlog.get_logger(__name__)

#: The name of beat; every other name is that of a worker.
BEAT = "beat"

#: Seconds without a trigger after which beat counts as stopped; it triggers jobs every 30 seconds at least.
BEAT_STOPPED = 120.0

#: Seconds to wait for a worker's answer.
PING_TIMEOUT = 5.0


class SignOfLife:
    """A file that beat touches when it triggers a job, or tries to reach a broker that is away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed = False

    def show(self) -> None:
        """Touch the file. A full or read-only disk must not stop beat; it is logged once."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            if not self._failed:
                log.warning("beat.sign_of_life_failed", path=str(self.path), error=error.strerror)
            self._failed = True
        else:
            self._failed = False

    def age(self) -> float | None:
        """Return the seconds since the file was touched, or None if it does not exist."""
        try:
            return clock.now().timestamp() - self.path.stat().st_mtime
        except FileNotFoundError:
            return None


def beat_sign(settings: Settings) -> SignOfLife:
    """Return the sign of life of the beat with this data folder."""
    return SignOfLife(settings.notifier_data_dir / "beat.alive")


def is_alive(celery: Celery, settings: Settings, name: str, *, ping_timeout: float = PING_TIMEOUT) -> HealthCheck:
    """Check that `beat` triggers jobs, or that the worker `name` (mail@host) answers within `ping_timeout` seconds."""
    return _beat(beat_sign(settings)) if name == BEAT else _worker(celery, name, ping_timeout)


def _beat(sign: SignOfLife) -> HealthCheck:
    age = sign.age()
    if age is None:
        return HealthCheck(BEAT, ok=False, detail=f"has not triggered a job yet: {sign.path} does not exist")
    return HealthCheck(BEAT, ok=age <= BEAT_STOPPED, detail=f"last triggered a job {age:.0f} s ago")


def _worker(celery: Celery, name: str, timeout: float) -> HealthCheck:
    try:
        answers = celery.control.inspect(destination=[name], timeout=timeout).ping()
    except AWAY as error:
        detail = f"unchecked: the broker is unreachable ({type(error).__name__}), and the worker waits for it"
        return HealthCheck(name, ok=True, detail=detail)
    if not answers:
        return HealthCheck(name, ok=False, detail=f"did not answer within {timeout:g} s")
    return HealthCheck(name, ok=True, detail="answers")
