"""The registry of our tasks, which takes those of no other application."""

from typing import Any

from celery.app.registry import TaskRegistry


class OwnTasks(TaskRegistry):  # type: ignore[misc]  # Celery ships no types
    """A registry that takes tasks of `notifier.` and of Celery itself.

    Celery adds every `@shared_task`, and by default every task of another Celery object, to each object of the
    process. Our workers would then run tasks of the application that embeds us, and report them as registered.
    """

    #: The prefixes of the names that it takes.
    PREFIXES = ("notifier.", "celery.")

    def __setitem__(self, name: str, task: Any) -> None:
        """Add the task, or ignore it if it is another application's."""
        if name.startswith(self.PREFIXES):
            super().__setitem__(name, task)
