"""Three static ticks. Campaigns are rows: beat knows nothing of them, so two beats are harmless."""

from celery import Celery

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
