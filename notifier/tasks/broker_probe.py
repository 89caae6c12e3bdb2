"""Checks of the broker, of workers for every queue, and of rejected messages."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from celery import Celery
from kombu.exceptions import OperationalError

from notifier import clock
from notifier.config.settings import Settings
from notifier.observability.asking import Asker, Probe
from notifier.observability.check import HealthCheck
from notifier.observability.queues import BrokerAway, RejectedMessage
from notifier.tasks.broker_view import peek
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.unread_queues import AWAY, advice, misspelt, read_by_workers, without_reader

NO_BROKER = "none is configured: set REDIS_URL or CELERY_BROKER_URL, or start ./run up"

#: Seconds for which a rejected message fails the check. Later it is only shown.
TROUBLE = 3600.0


#: Seconds for the questions that go through the broker, after it has answered itself.
PATIENCE = 4.0


def probes(celery: BoundCelery, *, configured: bool, settings: Settings) -> Mapping[str, Probe]:
    """Return all checks by the names of their results. `configured`: a broker is set."""
    found = bool(settings.broker_url)
    through_it = {
        "workers": partial(probe_workers, celery, configured=found),
        "queues": partial(probe_queues, celery, configured=found),
        "rejected messages": partial(probe_rejected, celery, configured=found),
    }
    return {
        "rate limits": partial(probe_limits, settings),
        "broker": partial(
            _broker_first, partial(probe_broker, celery, configured=configured), through_it, Asker(patience=PATIENCE)
        ),
    }


def _broker_first(
    broker: Callable[[], HealthCheck], through_it: Mapping[str, Probe], asker: Asker
) -> list[HealthCheck]:
    """Ask the broker, and through it only if it answers: a frozen one would keep each question waiting."""
    check = broker()
    if check.ok or check.detail == NO_BROKER:
        answers = asker.ask(through_it)
        if check.ok and not all(answer.ok for answer in answers):
            # It may have frozen meanwhile: then it is the cause, and not a worker that could not answer through it.
            check = broker()
        if check.ok or check.detail == NO_BROKER:
            return [check, *answers]
    detail = "cannot be checked while the broker is unreachable"
    return [check, *(HealthCheck(name, ok=False, detail=detail) for name in through_it)]


def probe_limits(settings: Settings) -> HealthCheck:
    """Say where limits are counted: RabbitMQ carries messages and cannot count."""
    if settings.redis_url:
        return HealthCheck("rate limits", ok=True, detail="counted in Redis, shared by all processes")
    detail = "each web process counts on its own, and campaign rates do not apply: to share limits, set REDIS_URL"
    return HealthCheck("rate limits", ok=True, detail=detail)


def probe_broker(celery: Celery, *, configured: bool) -> HealthCheck:
    """Connect once, without retries."""
    if not configured:
        return HealthCheck("broker", ok=False, detail=NO_BROKER)
    try:
        with celery.connection_for_write(connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=2)
    except (OperationalError, OSError) as error:
        return HealthCheck(
            "broker", ok=False, detail=f"does not answer: {type(error).__name__}; emails wait for the sweep"
        )
    return HealthCheck("broker", ok=True, detail="answers")


def probe_workers(celery: Celery, *, configured: bool) -> HealthCheck:
    """Ask the workers to answer, and wait for a second."""
    if not configured:
        return HealthCheck("workers", ok=False, detail="they cannot be reached without a broker")
    try:
        names = sorted(read_by_workers(celery))
    except AWAY as error:
        return HealthCheck(
            "workers", ok=False, detail=f"cannot be checked while the broker is unreachable: {type(error).__name__}"
        )
    figures = {"names": names}
    if not names:
        return HealthCheck("workers", ok=False, detail="none answers: start one, or run ./run up", figures=figures)
    return HealthCheck("workers", ok=True, detail=", ".join(names), figures=figures)


def probe_queues(celery: Celery, *, configured: bool) -> HealthCheck:
    """Ask the workers which queues they read."""
    if not configured:
        return HealthCheck("queues", ok=False, detail="there are none without a broker")
    try:
        read = read_by_workers(celery)
    except AWAY as error:
        return HealthCheck(
            "queues", ok=False, detail=f"cannot be checked while the broker is unreachable: {type(error).__name__}"
        )
    missing, typos = without_reader(read), misspelt(read)
    detail = " ".join(
        [advice(missing) if missing else f"each has a worker that reads it{'.' if typos else ''}", *typos]
    )
    return HealthCheck("queues", ok=not missing, detail=detail, figures={"without_reader": missing})


def probe_rejected(celery: BoundCelery, *, configured: bool) -> HealthCheck:
    """Count the messages that no worker could run."""
    name = "rejected messages"
    if not configured:
        return HealthCheck(name, ok=True, detail="there are none without a broker")
    try:
        rejected = peek(celery).rejected
    except BrokerAway as error:
        return HealthCheck(name, ok=False, detail=str(error))
    newest = [_for_programs(message) for message in rejected.newest]
    figures = {"count": rejected.count, "unreadable": rejected.unreadable, "newest": newest}
    junk = f"; {rejected.unreadable} records are unreadable" if rejected.unreadable else ""
    if not rejected.newest:
        return HealthCheck(name, ok=True, detail=f"none{junk}", figures=figures)
    last = rejected.newest[0]
    age = None if last.at is None else (clock.now() - last.at).total_seconds()
    when = "" if age is None else f" {age:.0f} s ago"
    detail = f"{rejected.count}; the newest{when} in {last.queue or 'a queue'}: {last.reason}{junk}"
    return HealthCheck(name, ok=age is not None and age > TROUBLE, detail=detail, figures=figures)


def _for_programs(message: RejectedMessage) -> dict[str, object]:
    return asdict(message) | {"at": message.at.isoformat() if message.at else None}
