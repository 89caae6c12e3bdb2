"""Three static ticks. Campaigns are rows: beat knows nothing of them, so two beats are harmless."""

from typing import Any

from celery import Celery, signals

from notifier.config import Settings
from notifier.tasks.celery_app import CONTROL

#: Seconds.
TICK = 30.0
PURGE = 3600.0


def schedule(celery: Celery, settings: Settings) -> None:
    """Set what `celery beat` triggers. A tick that waited longer than its interval is of no use."""
    every = {
        "tick": ("notifier.tick", TICK),
        "sweep": ("notifier.sweep", settings.sweep_interval),
        "purge": ("notifier.purge", PURGE),
    }
    celery.conf.beat_schedule = {
        name: {"task": task, "schedule": seconds, "options": {"queue": CONTROL, "expires": seconds}}
        for name, (task, seconds) in every.items()
    }
    # Wake often enough to keep the shortest of them punctual, also after a hiccup of the broker.
    celery.conf.beat_max_loop_interval = min(5.0, settings.sweep_interval)


@signals.beat_init.connect(weak=False)
def run_all_once(sender: Any, **_: Any) -> None:
    """At the start, trigger everything: beat itself waits a whole interval first, an hour for the purge."""
    for entry in sender.scheduler.schedule.values():
        sender.scheduler.apply_entry(entry)  # logs by itself where the broker is away
