"""The periodic jobs. Campaigns are rows that beat knows nothing about, so two beats at once are harmless."""

from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import SchedulingError

from notifier.config.settings import Settings
from notifier.tasks.alive import SignOfLife, beat_sign
from notifier.tasks.celery_app import CONTROL, RECONNECT, BoundCelery

log = structlog.get_logger(__name__)

#: Seconds.
TICK = 30.0
PURGE = 3600.0
#: How long an event waits for its webhooks, at most, if nothing else is in their way.
EVENTS = 5.0


def schedule(celery: Celery, settings: Settings) -> None:
    """Set the jobs that `celery beat` triggers. A job that waits longer than its interval expires."""
    every = {
        "tick": ("notifier.tick", TICK),
        "sweep": ("notifier.sweep", settings.sweep_interval),
        "purge": ("notifier.purge", PURGE),
        "events": ("notifier.events", EVENTS),
    }
    celery.conf.beat_schedule = {
        name: {"task": task, "schedule": seconds, "options": {"queue": CONTROL, "expires": seconds}}
        for name, (task, seconds) in every.items()
    }
    # Wake often enough to keep the shortest interval, also after a short failure of the broker.
    celery.conf.beat_max_loop_interval = min(5.0, settings.sweep_interval)


class Recovery:
    """Make any scheduler that `celery beat -S` names work again after its broker was away.

    Celery 5.7 keeps one connection forever: on RabbitMQ every message after a restart of the broker fails.
    """

    def __init__(self, scheduler: Any, sign: SignOfLife) -> None:
        """Replace the methods of `scheduler` that connect and publish. Both show `sign`."""
        self._scheduler = scheduler
        self._sign = sign
        self._trigger = scheduler.apply_async
        scheduler._ensure_connected = self._connect
        scheduler.apply_entry = self.apply_entry

    def run_all(self) -> None:
        """Trigger all jobs now. Wait for the broker as long as it takes."""
        for entry in self._scheduler.schedule.values():
            try:
                self._publish(entry)
            except SchedulingError as error:
                log.warning("beat.not_triggered", entry=entry.name, error=_cause(error))

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Trigger one job. If the broker is away, wait for it and trigger all jobs, which may be overdue."""
        try:
            self._publish(entry)
        except SchedulingError as error:
            log.warning("beat.broker_unavailable", entry=entry.name, error=_cause(error))
            self._forget_connection()
            self.run_all()
            log.info("beat.broker_back")

    def _publish(self, entry: Any) -> None:
        self._trigger(entry, producer=self._scheduler.producer, advance=False)
        self._sign.show()

    def _connect(self) -> Any:
        connection = self._scheduler.connection
        return connection.ensure_connection(self._away, None, **RECONNECT)

    def _away(self, error: Exception, seconds: float) -> None:
        self._sign.show()
        log.warning("beat.broker_away", error=type(error).__name__, again_in=seconds)

    def _forget_connection(self) -> None:
        self._scheduler.__dict__.pop("producer", None)
        connection = self._scheduler.__dict__.pop("connection", None)
        if connection is not None:
            connection.collect()


def _cause(error: SchedulingError) -> str:
    """Return the class of the client's error, which Celery wraps into this one."""
    return type(error.__context__ or error).__name__


@signals.beat_init.connect(weak=False)
def run_all_once(sender: Any, **_: Any) -> None:
    """Trigger all jobs when our beat starts: beat itself first waits a whole interval, an hour for the purge."""
    if isinstance(sender.app, BoundCelery):
        Recovery(sender.scheduler, beat_sign(sender.app.settings)).run_all()
