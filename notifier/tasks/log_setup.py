"""Celery's --logfile and --loglevel, for our log format: one line of JSON per event."""

import logging
from typing import Any

from celery import signals
from celery.app.log import Logging
from celery.utils.nodenames import node_format

from notifier.observability import logs


class Logs(Logging):  # type: ignore[misc]  # Celery ships no types
    """The logging of our workers and of our beat.

    A handler of Celery's signal `setup_logging` would do the same for every worker of the process, also for one of
    another application. If that application has connected one, it configures our workers, too.
    """

    def setup_logging_subsystem(
        self, loglevel: int | None = None, logfile: str | None = None, hostname: str | None = None, **others: Any
    ) -> Any:
        """Log to `logfile` (standard error without one) from `loglevel` on, once in each process.

        In its name %n, %h, %d, %i and %I stand for parts of the name of the node (`hostname`), as Celery documents.
        Return True: Celery itself then configures nothing. Tests keep their own handlers.
        """
        if signals.setup_logging.has_listeners():
            return super().setup_logging_subsystem(loglevel, logfile, hostname=hostname, **others)
        if self.already_setup:
            return None
        if logfile and hostname:
            logfile = node_format(logfile, hostname)
        Logging._setup = True
        level = loglevel or logging.INFO
        if self.app.settings.notifier_env == "test":
            logging.getLogger().setLevel(level)
        else:
            logs.configure(level, logfile)
        return True
