"""Where the pump runs: in each process of a worker that sends, and for the sort of email that its queues are about."""

from typing import Any

from celery import bootsteps, signals

from notifier import stopping
from notifier.delivery.pump import Pump
from notifier.tasks.celery_app import BULK, TRANSACTIONAL, celery_app

#: Seconds that a process which ends waits for emails on the wire.
PATIENCE = 20.0

#: What the pump of a queue sends: email of campaigns (True), people's own (False).
_SORTS = {TRANSACTIONAL: False, BULK: True}


class _Running:
    """The pump of this process. Forked children begin without one, because a thread does not survive a fork."""

    pump: Pump | None = None
    #: The processes that send are children of this one.
    in_children = False


def start() -> None:
    """Start the pump of this process, if a limit may be set and a queue with email is read."""
    sorts = [sort for queue, sort in _SORTS.items() if queue in celery_app.amqp.queues.consume_from]
    pump = celery_app.services.make_pump(sorts) if sorts else None
    if pump is not None:
        pump.start()
    _Running.pump = pump


def stop() -> None:
    """Stop it, if it runs, and wait for what it has on the wire."""
    pump, _Running.pump = _Running.pump, None
    if pump is not None:
        # Half of what is left: the rest of the process has to end in time, too.
        left = stopping.seconds_left()
        pump.stop(PATIENCE if left is None else min(PATIENCE, left / 2))


class PumpStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """With a pool of threads the first process of a worker sends, with a pool of processes its children do."""

    # It starts after the pool and stops before it.
    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        """Return whether it is this process that sends."""
        pool = parent.pool_cls if isinstance(parent.pool_cls, str) else parent.pool_cls.__module__
        _Running.in_children = "prefork" in pool
        return not _Running.in_children

    def start(self, parent: Any) -> None:
        """Called when the worker starts."""
        start()

    def stop(self, parent: Any) -> None:
        """Called when it is to end, in order."""
        stop()

    def terminate(self, parent: Any) -> None:
        """Called when it is to end at once."""
        stop()


@signals.worker_process_init.connect(weak=False)
def start_in_child(**_: Any) -> None:
    """A new process of the pool; Celery's pool for one task at a time sends this signal, too."""
    if _Running.in_children:
        start()


@signals.worker_process_shutdown.connect(weak=False)
def stop_in_child(**_: Any) -> None:
    """It ends."""
    stop()


celery_app.steps["worker"].add(PumpStep)
