"""Child processes that cannot outlive their parent."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

#: Loaded before any fork: between fork and exec, importing or allocating may deadlock.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def die_with_parent() -> None:
    """Ask the kernel to kill this process once the thread that started it is gone (Linux only). For `preexec_fn`.

    The signal must be SIGKILL: if the parent is killed, the broker dies at the same moment, and a worker that stops
    normally would wait for it.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
