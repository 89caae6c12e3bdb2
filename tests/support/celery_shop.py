"""An application with a Celery of its own, which knows nothing of notifier.

celery -A tests.support.celery_shop:shop worker
"""

import gc
import json
import logging
import os
import signal
import sys

from celery import Celery, current_app, shared_task
from redis import Redis

#: Where its broker keeps what `look` has seen.
REPORT = "shop.report"

shop = Celery("shop", broker=os.environ["SHOP_BROKER"])
shop.conf.update(
    task_default_queue="shop",
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    beat_schedule={
        "pack": {"task": "shop.pack", "schedule": 0.2, "args": (1,)},
        "look": {"task": "shop.look", "schedule": 3600},
    },
    beat_max_loop_interval=0.2,
)


@shared_task(name="shop.pack")  # type: ignore[untyped-decorator]  # Celery ships no types
def pack(number: int) -> int:
    """Whichever Celery object is current takes it."""
    return number


@shop.task(name="notifier.sweep", shared=False)  # type: ignore[untyped-decorator]  # Celery ships no types
def sweep() -> None:
    """A task of the shop that is named like one of notifier's."""


@shop.task(name="shop.look")  # type: ignore[untyped-decorator]  # Celery ships no types
def look() -> None:
    """Report what notifier's own workers change in their processes."""
    root = logging.getLogger()
    seen = {
        "switch": sys.getswitchinterval(),
        "frozen": gc.get_freeze_count(),
        "handlers": [[type(each).__name__, each.formatter and each.formatter._fmt] for each in root.handlers],
        "level": root.level,
        "SIGTERM": getattr(signal.getsignal(signal.SIGTERM), "__qualname__", None),
        "SIGALRM": repr(signal.getsignal(signal.SIGALRM)),
        "current": current_app.main,
        "tasks": sorted(shop.tasks),
    }
    with Redis.from_url(os.environ["SHOP_BROKER"]) as client:
        client.set(REPORT, json.dumps(seen))
