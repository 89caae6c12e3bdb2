"""Celery's --logfile and --loglevel, for our log format: one line of JSON per event."""

import logging
from typing import Any

from celery import signals

from notifier.observability import logs
from notifier.tasks.celery_app import celery_app


@signals.setup_logging.connect(weak=False)
def configure_logging(loglevel: int | None = None, logfile: str | None = None, **_: Any) -> None:
    """Log to `logfile` (standard error without one) from `loglevel` on. Celery itself then configures nothing.

    Tests keep their own handlers.
    """
    level = loglevel or logging.INFO
    if celery_app.settings.notifier_env == "test":
        logging.getLogger().setLevel(level)
    else:
        logs.configure(level, logfile)
