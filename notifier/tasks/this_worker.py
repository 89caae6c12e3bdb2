"""The application whose worker this process is, if it is one of ours.

Celery's signals are sent for every worker of the process, and most of them do not tell whose: a worker of another
application that imported us must run as if it had not.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import signals

from notifier.tasks.celery_app import BoundCelery


class _This:
    """Forked children inherit it."""

    celery: BoundCelery | None = None


# The handlers of `worker_init` are called in the order of connecting, and those decorated below import this module.
@signals.worker_init.connect(weak=False)
def remember(sender: Any, **_: Any) -> None:
    """Keep the Celery object of the worker that starts in this process; None if it is not ours."""
    _This.celery = sender.app if isinstance(sender.app, BoundCelery) else None


def in_our_worker(handler: Callable[..., None]) -> Callable[..., None]:
    """Make a handler of signals that is called in our workers only, with their Celery object first."""

    @wraps(handler)
    def handle(**named: Any) -> None:
        celery = _This.celery
        if celery is not None:
            handler(celery, **named)

    return handle
