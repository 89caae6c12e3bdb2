"""Whether this worker is to end, and by when: known to its first process and to all that it forked.

The first process is asked to stop, and those that send must know at once, so what it was told stands in memory that
they share.
"""

import mmap
import struct

from notifier import clock

#: The moment (`clock.elapsed`) by which everything must have ended, 0: nobody asked for it; then 1 if nothing is to be
#: waited for.
_until = mmap.mmap(-1, mmap.PAGESIZE)


def ask(grace: float) -> None:
    """Ask this process and its children to end within `grace` seconds. A second time changes nothing."""
    if not is_asked():
        struct.pack_into("d", _until, 0, clock.elapsed() + grace)


def cut() -> None:
    """End at once: nothing more is waited for."""
    struct.pack_into("dd", _until, 0, clock.elapsed(), 1.0)


def is_cut() -> bool:
    """Return whether nothing is to be waited for any more."""
    now: float = struct.unpack_from("d", _until, 8)[0]
    return bool(now)


def is_asked() -> bool:
    """Return whether this process is to end."""
    return bool(_read())


def seconds_left() -> float | None:
    """Return how many seconds are left, below 0 when they are over; None if nobody asked."""
    until = _read()
    return until - clock.elapsed() if until else None


def forget() -> None:
    """Go on as before: for a worker that is started again in the same process."""
    struct.pack_into("dd", _until, 0, 0.0, 0.0)


def _read() -> float:
    until: float = struct.unpack_from("d", _until)[0]
    return until
