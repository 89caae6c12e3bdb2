"""A view of the messages in the broker. It takes out and moves none."""

import base64
import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from amqp.exceptions import AMQPError, NotFound
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from notifier import redis_client
from notifier.observability.queues import BrokerAway, BrokerState, Queue, Rejected, Waiting
from notifier.tasks import rejected
from notifier.tasks.broker_options import is_rabbitmq, is_redis
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.message_check import TASK_NAME
from notifier.tasks.queues import QUEUES

#: How many messages of each queue, and how many rejected ones, are shown.
SAMPLE = 10

#: How many keys of a batch are shown.
KEYS = 5

#: Seconds.
TIMEOUT = 0.5


def peek(celery: BoundCelery) -> BrokerState:
    """Return every queue with its length and its next messages. Raise BrokerAway with a message for people."""
    url = celery.settings.broker_url
    if not (is_redis(url) or is_rabbitmq(url)):
        raise BrokerAway("No broker is configured. Set REDIS_URL or CELERY_BROKER_URL, or start ./run up.")
    try:
        return _peek_redis(celery) if is_redis(url) else _peek_rabbitmq(celery)
    except (RedisError, AMQPError, KombuError, OSError) as error:
        raise BrokerAway(
            f"The broker does not answer ({type(error).__name__}). Emails wait in the database and are queued "
            "when the broker is back."
        ) from error


def _peek_redis(celery: BoundCelery) -> BrokerState:
    url, kept = celery.settings.broker_url, celery.settings.rejected_messages_kept
    with redis_client.connect(url, timeout=TIMEOUT) as client:
        return BrokerState([_look(client, name) for name in QUEUES], rejected.read_redis(client, SAMPLE, kept=kept))


def _look(client: Any, name: str) -> Queue:
    # Messages come in on the left and leave on the right.
    newest_last = client.lrange(name, -SAMPLE, -1)
    return Queue(name, int(client.llen(name)), [_read(message) for message in reversed(newest_last)])


def _read(message: bytes) -> Waiting:
    try:
        envelope = json.loads(message)
        task = str(envelope["headers"]["task"])
        arguments = json.loads(base64.b64decode(envelope["body"]))[0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Waiting("?", "a message that is not ours")
    if not TASK_NAME.fullmatch(task):
        return Waiting("?", "a message that is not ours")
    return Waiting(task, _about(arguments))


def _about(arguments: Any) -> str:
    match arguments:
        case [int(key)]:
            return f"#{key}"
        case [[*keys]]:
            shown = ", ".join(f"#{key}" for key in keys[:KEYS])
            return shown if len(keys) <= KEYS else f"{shown} and {len(keys) - KEYS:,} more"
    return ""


def _peek_rabbitmq(celery: BoundCelery) -> BrokerState:
    patience = {"read_timeout": TIMEOUT, "write_timeout": TIMEOUT}
    with celery.connection_for_read(connect_timeout=TIMEOUT, transport_options=patience) as connection:
        connection.ensure_connection(max_retries=0)
        queues = [Queue(name, _length(connection, name), None) for name in QUEUES]
        return BrokerState(queues, _rejected_by_rabbitmq(celery, connection))


def _length(connection: Any, name: str) -> int:
    """Return how many messages are ready in a queue; 0 if there is no such queue yet."""
    with closing(connection.channel()) as channel:
        try:
            return int(channel.queue_declare(name, passive=True).message_count)
        except NotFound:
            return 0


def _rejected_by_rabbitmq(celery: BoundCelery, connection: Any) -> Rejected:
    nothing: Sequence[Any] = ()
    with closing(connection.channel()) as channel:
        try:
            return rejected.read_rabbitmq(celery, channel, SAMPLE)
        except NotFound:
            return Rejected(0, nothing)
