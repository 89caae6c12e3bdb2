"""Stop a worker in time: it claims no more, finishes the emails being sent, and gives the rest back.

SIGTERM goes to its first process, or to all of its processes at once, as systemd does it. The first process then
decides: the others see it in shared memory, and stop when it lets them.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from billiard import pool
from celery import signals

from notifier import stopping
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.this_worker import in_our_worker

log = structlog.get_logger(__name__)

#: Seconds that a child with SIGTERM waits for its parent to get the signal, too.
TOLD_SECONDS = 2.0

#: How often, ten times a second, a child that ends asks whether its parent has read the results of its tasks. A parent
#: with SIGTERM may read no more. Nothing is lost with them: what became of an email is in the ledger. Billiard's 300
#: would outlast the time that a stop has.
UNREAD_RESULTS = 10

#: The share of `STOP_GRACE` after which a warm stop ends by force, and the seconds after which any other stop does.
FORCE_AFTER, CUT_SECONDS = 0.9, 1.0


@signals.worker_shutting_down.connect(weak=False)
@in_our_worker
def stop(celery: BoundCelery, how: str = "Warm", **_: Any) -> None:
    """Note that the first process must stop. Called inside its signal handler."""
    grace = celery.settings.stop_grace
    if how == "Warm":
        stopping.ask(grace)
        _end_by_force_in(grace * FORCE_AFTER)
    else:
        stopping.cut()
        _end_by_force_in(CUT_SECONDS)


def _end_by_force_in(seconds: float) -> None:
    """Kill this process and with it its children (PR_SET_PDEATHSIG), if it has not stopped by then.

    Journals settle the emails that they were sending.
    """
    timer = threading.Timer(seconds, _end_by_force)
    timer.daemon = True
    timer.start()


def _end_by_force() -> None:
    log.error("worker.stopped_by_force")
    os._exit(1)


@signals.worker_process_init.connect(weak=False)
@in_our_worker
def end_with_unread_results(_celery: BoundCelery, **_: Any) -> None:
    """Let a child end soon after its last task, although its parent reads no results any more."""
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = UNREAD_RESULTS


@signals.worker_process_init.connect(weak=False)
@in_our_worker
def ignore_signals_of_the_group(_celery: BoundCelery, **_: Any) -> None:
    """Extend the signal handlers of a child. Billiard sets them right after this hook, so its setter is wrapped."""
    set_signals: Callable[..., None] = pool.reset_signals

    def completed(*arguments: Any, **options: Any) -> None:
        set_signals(*arguments, **options)
        _Child(signal.getsignal(signal.SIGTERM))

    pool.reset_signals = completed


class _Child:
    """The signals of a sending process: SIGTERM stops it only if its parent goes on, or stops at once."""

    def __init__(self, end: Any) -> None:
        """Replace the handler of SIGTERM. `end`: the former one."""
        self._end = end
        signal.signal(signal.SIGALRM, self._decide)
        signal.signal(signal.SIGTERM, self._wait)

    def _wait(self, number: int, frame: FrameType | None) -> None:
        if stopping.is_cut():
            self._end(number, frame)
        elif not stopping.is_asked():
            signal.setitimer(signal.ITIMER_REAL, TOLD_SECONDS)

    def _decide(self, number: int, frame: FrameType | None) -> None:
        """Decide after a moment: the parent got the signal, too, or it was for this process alone."""
        if stopping.is_cut() or not stopping.is_asked():
            self._end(signal.SIGTERM, frame)
