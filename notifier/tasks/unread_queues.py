"""Find queues that no worker reads: their emails wait, and nothing else reports it."""

import threading
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

import structlog
from amqp.exceptions import AMQPError
from celery import Celery, signals
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from notifier import stopping
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.queues import ALL_QUEUES, QUEUES
from notifier.tasks.this_worker import in_our_worker

log = structlog.get_logger(__name__)

#: Errors of the brokers' clients while the broker is away.
AWAY = (KombuError, AMQPError, RedisError, OSError)

#: Seconds that a starting worker gives the others before it asks.
GRACE = 5.0

#: How similar two names of queues are if one may be the other with a typo, from 0 to 1.
_SIMILAR = 0.85


def read_by_workers(celery: Celery, *, timeout: float = 1.0) -> dict[str, set[str]]:
    """Ask all workers which queues they read: name of the worker -> names of queues.

    Takes `timeout` seconds. Raise the errors of the broker's client.
    """
    answers = celery.control.inspect(timeout=timeout).active_queues() or {}
    return {worker: {queue["name"] for queue in queues} for worker, queues in answers.items()}


def without_reader(workers: dict[str, set[str]]) -> list[str]:
    """Return the queues that none of these workers reads."""
    read = set[str]().union(*workers.values())
    return [name for name in QUEUES if name not in read]


def advice(missing: Collection[str]) -> str:
    """Say what to do about queues that no worker reads."""
    return f"No worker reads {', '.join(missing)}. Start one with -Q {','.join(missing)}, or correct its -Q."


def misspelt(workers: dict[str, set[str]]) -> list[str]:
    """Name each queue of a worker that almost has the name of one of ours, in a sentence without a full stop.

    Others are no mistake: a worker of an application that embeds notifier reads queues of that application, too.
    """
    return [
        f"{worker} reads {name}, into which notifier puts nothing: did you mean {meant[0]}?"
        for worker, read in sorted(workers.items())
        for name in sorted(read.difference(ALL_QUEUES))
        if (meant := get_close_matches(name, ALL_QUEUES, n=1, cutoff=_SIMILAR))
    ]


@signals.worker_ready.connect(weak=False)
@in_our_worker
def say_what_nobody_reads(celery: BoundCelery, sender: Any, **_: Any) -> None:
    """Log queues in the -Q of a starting worker that notifier does not use, and queues that no worker reads."""
    own = {queue.name for queue in sender.task_consumer.queues}
    unknown = sorted(own.difference(ALL_QUEUES))
    if unknown:
        detail = f"notifier puts nothing into {', '.join(unknown)}. Its queues: {', '.join(ALL_QUEUES)}."
        log.warning("worker.queues_unknown", queues=unknown, detail=detail)
    if not own.issuperset(QUEUES):
        later = threading.Timer(GRACE, _ask, [celery])
        later.daemon = True
        later.start()


def _ask(celery: Celery) -> None:
    if stopping.is_asked():
        return  # This worker has stopped reading.
    try:
        missing = without_reader(read_by_workers(celery))
    except AWAY as error:
        log.warning("worker.queues_not_asked", error=type(error).__name__)
        return
    if missing:
        log.warning("worker.queues_without_reader", queues=missing, detail=advice(missing))
