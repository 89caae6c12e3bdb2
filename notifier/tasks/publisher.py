"""Hands primary keys to the broker: the only place that knows how a task is called."""

from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu import pools

from notifier.tasks.celery_app import BULK, CONTROL, EXPANSION, TRANSACTIONAL

#: Keys in one message: many enough that Celery costs little and connections stay busy. They are claimed in
#: smaller chunks.
BATCH = 1000

#: Whoever asked for a chore to run now has stopped waiting after so long, in seconds.
RUN_NOW_EXPIRES = 300

#: A request waits so long for a broker that hangs, in seconds; a worker's own connection waits longer.
PUBLISH_TIMEOUT = 0.1


class Publisher:
    """Publishes through connections of its own, whose timeouts suit a web request."""

    def __init__(self, celery_app: Celery) -> None:
        """Connections are made when the first message is sent, in the process that sends it."""
        self._celery = celery_app

    def __call__(self, keys: Sequence[int], bulk: bool) -> None:
        """Send the keys. Raises what the broker's client raises, within about twice PUBLISH_TIMEOUT."""
        if self._celery.conf.task_always_eager:
            self._send(keys, bulk, producer=None)
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            self._send(keys, bulk, producer)

    def expand(self, run_ids: Sequence[int], _bulk: bool = True) -> None:
        """Call for the expansion of these runs. Raises as sending keys does."""
        task = self._celery.tasks["notifier.expand_run"]
        if self._celery.conf.task_always_eager:
            for run_id in run_ids:
                task.apply_async((run_id,))
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            for run_id in run_ids:
                task.apply_async((run_id,), producer=producer, retry=False, queue=EXPANSION)

    def run_now(self, chore: str) -> None:
        """Trigger one of the periodic chores ("sweep") besides its schedule. Raises as sending keys does."""
        task = self._celery.tasks[f"notifier.{chore}"]
        if self._celery.conf.task_always_eager:
            task.apply_async()
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            task.apply_async(producer=producer, retry=False, queue=CONTROL, expires=RUN_NOW_EXPIRES)

    def _send(self, keys: Sequence[int], bulk: bool, producer: Any) -> None:
        options = {"producer": producer, "retry": False, "queue": BULK if bulk else TRANSACTIONAL}
        if not bulk:
            task = self._celery.tasks["notifier.deliver_notification"]
            for key in keys:
                task.apply_async((key,), **options)
            return
        task = self._celery.tasks["notifier.deliver_batch"]
        for start in range(0, len(keys), BATCH):
            task.apply_async((list(keys[start : start + BATCH]),), **options)

    def _pool(self) -> Any:
        url = self._celery.conf.broker_url
        options = {}
        if url.startswith(("redis", "rediss")):
            options = {"socket_connect_timeout": PUBLISH_TIMEOUT, "socket_timeout": PUBLISH_TIMEOUT}
        # kombu keeps one pool for each distinct connection, and empties it after a fork.
        return pools.producers[self._celery.connection_for_write(transport_options=options)]
