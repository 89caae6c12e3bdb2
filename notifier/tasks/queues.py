"""The queues of our tasks, their exchanges, and where rejected messages go."""

from kombu.entity import Exchange, Queue

from notifier.tasks.broker_options import is_rabbitmq

TRANSACTIONAL = "notifier.transactional"
BULK = "notifier.bulk"
CONTROL = "notifier.control"
#: Expansions of runs: read by the workers of bulk email, so that no verification email waits for one.
EXPANSION = "notifier.expansion"

#: Calls of other applications. It has workers of its own, so a server that does not answer delays no email.
WEBHOOKS = "notifier.webhooks"

#: All queues that need a worker.
QUEUES = (TRANSACTIONAL, BULK, EXPANSION, CONTROL)
#: Those, and the one that needs a worker only if there is an endpoint of a webhook.
ALL_QUEUES = (*QUEUES, WEBHOOKS)
#: The queue of each task that is published by its name.
ROUTES = {
    **{f"notifier.{chore}": {"queue": CONTROL} for chore in ("tick", "sweep", "purge", "events")},
    "notifier.expand_run": {"queue": EXPANSION},
    "notifier.call_webhook": {"queue": WEBHOOKS},
}

#: RabbitMQ moves rejected messages here, for operators. No worker reads it.
REJECTED = "notifier.rejected"

#: The exchanges of remote control and of events: `celery inspect` and `celery control shutdown` of another application
#: on the same broker do not reach our workers, and ours do not reach its workers.
REMOTE_CONTROL, EVENTS = "notifier", "notifier.events"

#: Most bytes in the dead-letter queue.
REJECTED_BYTES = 8 * 1024 * 1024


def work_queue(name: str, broker_url: str) -> Queue:
    """Return one of `QUEUES`. RabbitMQ moves messages that a worker rejects to the dead-letter queue."""
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": REJECTED}
    return Queue(name, Exchange(name), routing_key=name, queue_arguments=dead if is_rabbitmq(broker_url) else None)


def rejected_queue(kept: int) -> Queue:
    """Return RabbitMQ's dead-letter queue, which keeps the newest `kept` rejected messages."""
    limits = {"x-max-length": kept, "x-max-length-bytes": REJECTED_BYTES, "x-overflow": "drop-head"}
    return Queue(REJECTED, Exchange(""), routing_key=REJECTED, queue_arguments=limits)
