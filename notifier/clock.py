"""The only source of time. Tests freeze it here (or with time-machine, which it honours)."""

import time
from datetime import UTC, datetime
from typing import Final

#: Moments that others name lie before it, so that adding a duration to one stays within the calendar.
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds since an arbitrary moment in the past; they only grow, even if the host's clock is changed.

    Time in which the host was suspended counts if the system can tell (Linux).
    """
    return time.clock_gettime(_STEADY)
