"""Tell how far a task is: its row for `AsyncResult`, and an event for Flower and `celery events`.

At most once a second, because each row is a transaction and each event a message.
"""

from typing import Any

import structlog
from celery import Task

from notifier import clock
from notifier.models import TaskState
from notifier.tasks.unread_queues import AWAY

log = structlog.get_logger(__name__)

#: Seconds between two tellings.
EVERY = 1.0


class Progress:
    """What a task calls with numbers. It never raises because the database or the broker is away."""

    def __init__(self, task: Task) -> None:
        """Tell the progress of the current call of `task`, which is bound."""
        self._task = task
        self._next = 0.0
        self._heard = True

    def __call__(self, **numbers: int) -> None:
        """Tell these numbers, such as `current` and `total`, unless others were told within a second."""
        now = clock.elapsed()
        if now < self._next or self._task.request.id is None:
            return
        self._next = now + EVERY
        self._task.update_state(state=TaskState.PROGRESS.value, meta=numbers)
        if self._heard and not self._task.request.is_eager:
            self._send(numbers)

    def _send(self, numbers: dict[str, Any]) -> None:
        try:
            self._task.send_event("task-progress", retry=False, result=str(numbers))
        except AWAY as error:
            # No email depends on events: this task sends no more of them.
            self._heard = False
            log.info("task_progress.not_sent", error=type(error).__name__)
