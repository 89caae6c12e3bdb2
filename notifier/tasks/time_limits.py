"""Celery's time limits: after the soft one a task claims no more emails. None is cut off while it is being sent.

Celery itself would raise an error in the middle of an email for a soft limit, and kill the process for a hard one.
"""

from typing import Any

from celery import signals

from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.this_worker import in_our_worker


@signals.celeryd_after_setup.connect(weak=False)
@in_our_worker
def take_over(celery: BoundCelery, instance: Any, **_: Any) -> None:
    """Take the soft limit out of Celery's hands, for every pool. Raise SystemExit for one that would cut emails off."""
    if instance.time_limit:
        raise SystemExit("--time-limit kills a process in the middle of an email: use --soft-time-limit")
    limited = sorted(name for name, task in celery.tasks.items() if task.time_limit or task.soft_time_limit)
    if limited:
        raise SystemExit(
            f"{', '.join(limited)}: a limit of a single task cuts emails off: "
            "use --soft-time-limit or task_soft_time_limit, which apply to all"
        )
    celery.soft_limit, instance.soft_time_limit = instance.soft_time_limit or None, None
