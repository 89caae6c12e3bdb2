"""A look at what waits in the broker. Nothing is taken out, nothing is moved."""

import base64
import json
from typing import Any

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from notifier.overview.queues import BrokerAway, Queue, Waiting
from notifier.tasks.celery_app import BULK, CONTROL, EXPANSION, TRANSACTIONAL

QUEUES = (TRANSACTIONAL, BULK, EXPANSION, CONTROL)

#: Messages that are shown of each queue.
SAMPLE = 10

#: Keys of a batch that are named.
KEYS = 5

#: Seconds.
TIMEOUT = 0.5


def peek(celery: Celery) -> list[Queue]:
    """Every queue with its length and its next messages. Raises BrokerAway with words for people."""
    url = str(celery.conf.broker_url)
    if not url.startswith(("redis", "rediss")):
        raise BrokerAway("No broker is configured, so nothing can wait there. Set REDIS_URL, or start ./run up.")
    client = Redis.from_url(url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0))
    try:
        with client:
            return [_look(client, name) for name in QUEUES]
    except (RedisError, OSError) as error:
        raise BrokerAway(
            f"The broker does not answer ({type(error).__name__}). Mail is safe in the ledger: the sweep enqueues it "
            "when the broker is back."
        ) from error


def _look(client: Any, name: str) -> Queue:
    # Messages come in on the left and leave on the right.
    newest_last = client.lrange(name, -SAMPLE, -1)
    return Queue(name, int(client.llen(name)), [_read(message) for message in reversed(newest_last)])


def _read(message: bytes) -> Waiting:
    try:
        envelope = json.loads(message)
        task = str(envelope["headers"]["task"])
        arguments = json.loads(base64.b64decode(envelope["body"]))[0]
    except (ValueError, KeyError, TypeError, IndexError):
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
