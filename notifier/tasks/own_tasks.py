"""The registry of our tasks, which takes those of no other application."""

from typing import Any

from celery.app.registry import TaskRegistry

#: The prefixes of the names of our tasks, and of Celery's own.
PREFIXES = ("notifier.", "celery.")


def is_ours(name: str) -> bool:
    """Return True for a task of ours or of Celery itself, by its name."""
    return name.startswith(PREFIXES)


class OwnTasks(TaskRegistry):  # type: ignore[misc]  # Celery ships no types
    """A registry that takes tasks of `notifier.` and of Celery itself.

    Celery adds every `@shared_task`, and by default every task of another Celery object, to each object of the
    process. Our workers would then run tasks of the application that embeds us, and report them as registered.
    """

    def __setitem__(self, name: str, task: Any) -> None:
        """Add the task, or ignore it if it is another application's."""
        if is_ours(name):
            super().__setitem__(name, task)
