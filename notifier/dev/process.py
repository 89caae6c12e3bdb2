"""Child processes that cannot outlive us."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

#: Loaded before any fork: between fork and exec nothing may be imported or allocated at leisure.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills this process once the thread that started it is gone (Linux).

    Elsewhere it does nothing. The signal must be SIGKILL: when the parent was killed hard, the broker
    dies at the same moment, and a polite worker would wait for it.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
