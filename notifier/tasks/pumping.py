"""Run the pump in each sending process of a worker, for the emails of the queues that it reads."""

from typing import Any

from celery import bootsteps, signals

from notifier import stopping
from notifier.delivery.pump import Pump
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.queues import BULK, TRANSACTIONAL
from notifier.tasks.this_worker import in_our_worker

#: Seconds that a stopping process waits for emails being sent.
PATIENCE = 20.0

#: The emails that the pump of a queue sends: of campaigns (True), or people's own (False).
_SORTS = {TRANSACTIONAL: False, BULK: True}


class _Running:
    """The pump of this process. Forked children begin without one, because a thread does not survive a fork."""

    pump: Pump | None = None
    #: True if the sending processes are children of this one.
    in_children = False


def start(celery: BoundCelery) -> None:
    """Start the pump of this process, if a limit may be set and a queue with email is read."""
    sorts = [sort for queue, sort in _SORTS.items() if queue in celery.amqp.queues.consume_from]
    pump = celery.services.make_pump(sorts) if sorts else None
    if pump is not None:
        pump.start()
    _Running.pump = pump


def stop() -> None:
    """Stop the pump, if it runs, and wait for the emails being sent."""
    pump, _Running.pump = _Running.pump, None
    if pump is not None:
        # Half of the time left: the rest of the process must stop in time, too.
        left = stopping.seconds_left()
        pump.stop(PATIENCE if left is None else min(PATIENCE, left / 2))


class PumpStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """A step of the worker. With a pool of threads its first process sends, otherwise its children do."""

    # The pump starts after the pool and stops before it.
    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        """Return True if this process sends."""
        pool = parent.pool_cls if isinstance(parent.pool_cls, str) else parent.pool_cls.__module__
        _Running.in_children = "prefork" in pool
        return not _Running.in_children

    def start(self, parent: Any) -> None:
        """Start the pump with the worker."""
        start(parent.app)

    def stop(self, parent: Any) -> None:
        """Stop the pump with the worker."""
        stop()

    def terminate(self, parent: Any) -> None:
        """Stop the pump if the worker must stop at once."""
        stop()


@signals.worker_process_init.connect(weak=False)
@in_our_worker
def start_in_child(celery: BoundCelery, **_: Any) -> None:
    """Start the pump in a new process of the pool; Celery's solo pool sends this signal, too."""
    if _Running.in_children:
        start(celery)


@signals.worker_process_shutdown.connect(weak=False)
@in_our_worker
def stop_in_child(_celery: BoundCelery, **_: Any) -> None:
    """Stop the pump of a process of the pool."""
    stop()
