"""Hand primary keys to the broker. This is the only place that knows the names of tasks."""

from collections.abc import Sequence
from typing import Any

from kombu import pools

from notifier.tasks.broker_options import is_rabbitmq, is_redis
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.queues import BULK, CONTROL, EXPANSION, TRANSACTIONAL, WEBHOOKS

#: Keys in one message: enough that Celery costs little and connections stay busy. Workers claim them in smaller
#: chunks.
BATCH = 1000

#: The same of people's own emails: few, because several workers send them at once, and each is soon its turn.
TOGETHER = 50
#: Up to so many of these get a message each, whose task makes quick retries.
SINGLY = 10

#: Seconds after which a job that an operator started expires: by then, no one waits for it.
RUN_NOW_EXPIRES = 300

#: Seconds that a request waits for a broker that hangs; a worker's own connection waits longer.
PUBLISH_TIMEOUT = 0.1
#: The same for RabbitMQ, for each step: it answers several times before a connection is open.
PUBLISH_TIMEOUT_RABBITMQ = 0.25

#: RabbitMQ may have closed a kept connection: one more attempt, at once, with a new one.
AGAIN = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Publisher:
    """A publisher with connections of its own, whose timeouts suit a web request."""

    def __init__(self, celery: BoundCelery) -> None:
        """Open no connection yet: it is opened with the first message, in the process that sends it."""
        self._celery = celery

    def __call__(self, keys: Sequence[int], bulk: bool) -> None:
        """Send the keys. Raise the errors of the broker's client, within about twice PUBLISH_TIMEOUT."""
        if self._celery.conf.task_always_eager:
            self._send(keys, bulk, producer=None)
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            self._send(keys, bulk, producer)

    def expand(self, run_ids: Sequence[int], _bulk: bool = True) -> None:
        """Request the expansion of these runs. Raise the errors of the broker's client."""
        task = self._celery.tasks["notifier.expand_run"]
        if self._celery.conf.task_always_eager:
            for run_id in run_ids:
                task.apply_async((run_id,))
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            for run_id in run_ids:
                task.apply_async((run_id,), queue=EXPANSION, **self._options(producer))

    def handle_requests(self, request_ids: Sequence[int], _bulk: bool = False) -> None:
        """Request the handling of these account requests. Raise the errors of the broker's client.

        They go to the transactional queue, whose workers start at once and also send the resulting email. A separate
        queue would be one more that an installation can forget to read.
        """
        task = self._celery.tasks["notifier.handle_account_request"]
        if self._celery.conf.task_always_eager:
            for request_id in request_ids:
                task.apply_async((request_id,))
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            for request_id in request_ids:
                task.apply_async((request_id,), queue=TRANSACTIONAL, **self._options(producer))

    def call_webhooks(self, endpoint_ids: Sequence[int]) -> None:
        """Request calls of these endpoints. Raise the errors of the broker's client."""
        if not endpoint_ids:
            return
        task = self._celery.tasks["notifier.call_webhook"]
        if self._celery.conf.task_always_eager:
            for endpoint_id in endpoint_ids:
                task.apply_async((endpoint_id,))
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            for endpoint_id in endpoint_ids:
                task.apply_async((endpoint_id,), queue=WEBHOOKS, **self._options(producer))

    def run_now(self, chore: str) -> None:
        """Trigger a periodic job (such as "sweep") now. Raise the errors of the broker's client."""
        task = self._celery.tasks[f"notifier.{chore}"]
        if self._celery.conf.task_always_eager:
            task.apply_async()
            return
        with self._pool().acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            task.apply_async(queue=CONTROL, expires=RUN_NOW_EXPIRES, **self._options(producer))

    def _send(self, keys: Sequence[int], bulk: bool, producer: Any) -> None:
        options = self._options(producer) | {"queue": BULK if bulk else TRANSACTIONAL}
        if not bulk and len(keys) <= SINGLY:
            task = self._celery.tasks["notifier.deliver_notification"]
            for key in keys:
                task.apply_async((key,), **options)
            return
        task = self._celery.tasks["notifier.deliver_batch" if bulk else "notifier.deliver_several"]
        size = BATCH if bulk else TOGETHER
        for start in range(0, len(keys), size):
            task.apply_async((list(keys[start : start + size]),), **options)

    def _options(self, producer: Any) -> dict[str, Any]:
        if is_rabbitmq(self._celery.broker_url):
            return {"producer": producer, "retry": True, "retry_policy": AGAIN}
        return {"producer": producer, "retry": False}

    def _pool(self) -> Any:
        url = self._celery.broker_url
        patience: dict[str, Any] = {}
        if is_redis(url):
            options = {"socket_connect_timeout": PUBLISH_TIMEOUT, "socket_timeout": PUBLISH_TIMEOUT}
            patience = {"transport_options": options}
        elif is_rabbitmq(url):
            options = {"read_timeout": PUBLISH_TIMEOUT_RABBITMQ, "write_timeout": PUBLISH_TIMEOUT_RABBITMQ}
            patience = {"transport_options": options, "connect_timeout": PUBLISH_TIMEOUT_RABBITMQ}
        # kombu keeps one pool for each distinct connection, and empties it after a fork.
        return pools.producers[self._celery.connection_for_write(**patience)]
