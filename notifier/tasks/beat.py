"""The periodic jobs. Campaigns are rows that beat knows nothing about, so two beats at once are harmless.

An installation may add entries of its own: `add_periodic_task`, or `beat_schedule` of the module CELERY_CONFIG_MODULE.
"""

from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import SchedulingError

from notifier.config.settings import Settings
from notifier.observability.sign_of_life import SignOfLife, beat_sign
from notifier.tasks.broker_options import RECONNECT
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.own_tasks import is_ours
from notifier.tasks.queues import CONTROL

log = structlog.get_logger(__name__)

#: Seconds.
TICK = 30.0
PURGE = 3600.0
#: How long an event waits for its webhooks, at most, if nothing else is in their way.
EVENTS = 5.0


#: The names of our own entries.
OWN = ("tick", "sweep", "purge", "events")


def intervals(settings: Settings) -> dict[str, float]:
    """Return the seconds between two runs of each of our own jobs, by name."""
    return dict(zip(OWN, (TICK, settings.sweep_interval, PURGE, EVENTS), strict=True))


def schedule(celery: Celery, settings: Settings) -> None:
    """Set the jobs that `celery beat` triggers, beside others. A job that waits longer than its interval expires."""
    celery.conf.beat_schedule = celery.conf.beat_schedule | {
        name: {"task": f"notifier.{name}", "schedule": seconds, "options": {"queue": CONTROL, "expires": seconds}}
        for name, seconds in intervals(settings).items()
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
        """Trigger all of our jobs now. Wait for the broker as long as it takes.

        Entries that others added wait for their own time.
        """
        for entry in [each for each in self._scheduler.schedule.values() if each.name in OWN]:
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


def refuse_homeless(celery: BoundCelery) -> None:
    """Raise SystemExit for an entry whose task no worker of ours knows, if there is no other Celery to send it."""
    others = [name for name, entry in celery.conf.beat_schedule.items() if not is_ours(entry["task"])]
    if others and celery.hosts is None:
        raise SystemExit(
            f"beat_schedule: {', '.join(sorted(others))}: notifier's workers run only notifier's tasks. "
            "Name your own Celery in Notifier.init_app(celery=...), or give your entries to its beat."
        )


def _cause(error: SchedulingError) -> str:
    """Return the class of the client's error, which Celery wraps into this one."""
    return type(error.__context__ or error).__name__


@signals.beat_init.connect(weak=False)
def run_all_once(sender: Any, **_: Any) -> None:
    """Trigger all jobs when our beat starts: beat itself first waits a whole interval, an hour for the purge."""
    if isinstance(sender.app, BoundCelery):
        refuse_homeless(sender.app)
        Recovery(sender.scheduler, beat_sign(sender.app.settings)).run_all()
