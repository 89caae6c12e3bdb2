"""The only source of time. Tests freeze it here (or with time-machine, which it honours)."""

import time
from datetime import UTC, datetime

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds since some moment in the past: they only ever grow, whatever happens to the clock of the host.

    Time in which the host was suspended counts where the system can tell (Linux).
    """
    return time.clock_gettime(_STEADY)
