"""How a worker stops: it claims no more, finishes what is on the wire, gives the rest back, and ends in time.

A worker is told by SIGTERM to its first process, or to all of its processes at once, as systemd does it. Then the first
process alone counts: the others are told by memory that they share, and go when it lets them.
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
from notifier.tasks.celery_app import celery_app

log = structlog.get_logger(__name__)

#: Seconds that a child which got SIGTERM waits for its parent to be told the same.
TOLD_SECONDS = 2.0

#: Of the time to stop, the share after which what has not ended is ended by force; and seconds, if all is cut short.
FORCE_AFTER, CUT_SECONDS = 0.9, 1.0


@signals.worker_shutting_down.connect(weak=False)
def stop(how: str = "Warm", **_: Any) -> None:
    """The first process was asked to end. Called inside its signal handler."""
    grace = celery_app.settings.stop_grace
    if how == "Warm":
        stopping.ask(grace)
        _end_by_force_in(grace * FORCE_AFTER)
    else:
        stopping.cut()
        _end_by_force_in(CUT_SECONDS)


def _end_by_force_in(seconds: float) -> None:
    """End this process and with it its children (PR_SET_PDEATHSIG), if it has not ended by itself by then.

    What they were doing then is settled by their journals.
    """
    timer = threading.Timer(seconds, _end_by_force)
    timer.daemon = True
    timer.start()


def _end_by_force() -> None:
    log.error("worker.stopped_by_force")
    os._exit(1)


@signals.worker_process_init.connect(weak=False)
def ignore_signals_of_the_group(**_: Any) -> None:
    """Billiard sets the signals of a child right after this: what it sets is completed then."""
    set_signals: Callable[..., None] = pool.reset_signals

    def completed(*arguments: Any, **options: Any) -> None:
        set_signals(*arguments, **options)
        _Child(signal.getsignal(signal.SIGTERM))

    pool.reset_signals = completed


class _Child:
    """The signals of a process that sends: SIGTERM ends it only if its parent goes on, or cuts everything short."""

    def __init__(self, end: Any) -> None:
        """`end`: what SIGTERM did so far."""
        self._end = end
        signal.signal(signal.SIGALRM, self._decide)
        signal.signal(signal.SIGTERM, self._wait)

    def _wait(self, number: int, frame: FrameType | None) -> None:
        if stopping.is_cut():
            self._end(number, frame)
        elif not stopping.is_asked():
            signal.setitimer(signal.ITIMER_REAL, TOLD_SECONDS)

    def _decide(self, number: int, frame: FrameType | None) -> None:
        """By now the parent was told, too, or this process alone was meant."""
        if stopping.is_cut() or not stopping.is_asked():
            self._end(signal.SIGTERM, frame)
