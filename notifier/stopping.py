"""Whether this worker must stop, and by when, shared by its first process and the processes it forked.

The first process is asked to stop, and the sending processes must know at once, so the request is kept in shared
memory. A single task may have to end, too: Celery's soft time limit. It then claims no more, and cuts nothing off.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

from notifier import clock

#: Two doubles: the moment (`clock.elapsed`) by which everything must have ended, 0 if no stop was requested; then 1 if
#: nothing is to be waited for.
_until = mmap.mmap(-1, mmap.PAGESIZE)


#: When (`clock.elapsed`) the task of this thread is to claim no more.
_task_until: ContextVar[float] = ContextVar("notifier_task_until", default=inf)


@contextmanager
def soft_limit(seconds: float | None) -> Iterator[None]:
    """Let the task inside the block claim no more once it has run for `seconds`. None: no limit."""
    token = _task_until.set(inf if seconds is None else clock.elapsed() + seconds)
    try:
        yield
    finally:
        _task_until.reset(token)


def is_task_over() -> bool:
    """Return whether the task of this thread has reached its soft limit."""
    return clock.elapsed() >= _task_until.get()


def claims_no_more() -> bool:
    """Return whether this thread must claim no more: its process is to end, or its task has run for long enough."""
    return is_asked() or is_task_over()


def ask(grace: float) -> None:
    """Ask this process and its children to end within `grace` seconds. A second call changes nothing."""
    if not is_asked():
        struct.pack_into("d", _until, 0, clock.elapsed() + grace)


def cut() -> None:
    """End at once, without waiting for anything."""
    struct.pack_into("dd", _until, 0, clock.elapsed(), 1.0)


def is_cut() -> bool:
    """Return whether the process must end without waiting for anything."""
    now: float = struct.unpack_from("d", _until, 8)[0]
    return bool(now)


def is_asked() -> bool:
    """Return whether this process is to end."""
    return bool(_read())


def seconds_left() -> float | None:
    """Return how many seconds are left, negative once they are over; None if no stop was requested."""
    until = _read()
    return until - clock.elapsed() if until else None


def forget() -> None:
    """Withdraw the request: for a worker that is started again in the same process."""
    struct.pack_into("dd", _until, 0, 0.0, 0.0)


def _read() -> float:
    until: float = struct.unpack_from("d", _until)[0]
    return until
