"""The only source of time. Tests freeze it here (or with time-machine, which it honours)."""

import time
from datetime import UTC, datetime

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds since an arbitrary moment in the past; they only grow, even if the host's clock is changed.

    Time in which the host was suspended counts if the system can tell (Linux).
    """
    return time.clock_gettime(_STEADY)
