"""Signs of life: files that processes touch, for health checks of containers, which look at one process."""

from pathlib import Path

import structlog

from notifier import clock
from notifier.config.settings import Settings

log = structlog.get_logger(__name__)


class SignOfLife:
    """A file that a process touches when it has done its work, or has tried to while a server was away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed = False

    def show(self) -> None:
        """Touch the file. A full or read-only disk must not stop the process; it is logged once."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            if not self._failed:
                log.warning("process.sign_of_life_failed", path=str(self.path), error=error.strerror)
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


def alerts_sign(settings: Settings) -> SignOfLife:
    """Return the sign of life of `notifier alerts watch` with this data folder."""
    return SignOfLife(settings.notifier_data_dir / "alerts.alive")
