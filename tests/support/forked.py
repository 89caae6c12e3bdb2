"""Work in a forked process, which keeps the memory of the test and none of its threads."""

import os
import signal
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """Run `work` in a forked process and return its exit code: 0, 1 if it raised, or minus the signal that ended it.

    Not by `multiprocessing`: its child first closes what Celery holds of brokers, which other tests have ended by now.
    Each takes seconds.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dying(work: Callable[[], None]) -> None:
    """Run `work` in a forked process that is killed right after it."""

    def run() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    assert forked(run) == -signal.SIGKILL
