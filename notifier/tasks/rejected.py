"""Messages that no worker could run: logged, counted, and kept for operators.

Redis: a capped list with a record of each (never its body), and a count. RabbitMQ: it moves rejected messages to the
dead-letter queue, which keeps the newest whole; the reason is determined again when they are shown. No email is lost
with a message: the sweep enqueues its rows.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

import structlog

from notifier import clock
from notifier.observability.queues import Rejected, RejectedMessage
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.message_check import size_of, task_of, why_unreadable
from notifier.tasks.queues import REJECTED
from notifier.tasks.utf8 import is_utf8

log = structlog.get_logger(__name__)

#: Keys in Redis: the newest records, newest first; their number since Redis was emptied.
LIST = "notifier:rejected"
TOTAL = "notifier:rejected:total"

#: The reason of a message in the dead-letter queue that has no fault of its own.
UNHANDLED = "a worker could not handle it: see its log"


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a rejected message. Nothing in it comes from the message's body."""

    at: str
    queue: str
    task: str
    reason: str
    size: int

    @classmethod
    def of_message(cls, message: Any, reason: str) -> Self:
        """Return the record of a message of kombu."""
        queue = str((message.delivery_info or {}).get("routing_key", ""))
        return cls(clock.now().isoformat(), queue, task_of(message), reason, size_of(message))

    @classmethod
    def of_entry(cls, queue: str, size: int, reason: str = "it is not a message") -> Self:
        """Return the record of a Redis queue's entry that is not a message, or that no consumer could take."""
        return cls(clock.now().isoformat(), queue, "", reason, size)


def log_it(record: Record) -> None:
    """Log one line about it."""
    log.error("broker.message_rejected", **asdict(record))


def add_to_redis(client: Any, record: Record, *, kept: int) -> None:
    """Log a record and keep it among the newest `kept`. Raise the errors of the client."""
    log_it(record)
    with client.pipeline() as pipe:
        pipe.lpush(LIST, json.dumps(asdict(record)))
        pipe.ltrim(LIST, 0, kept - 1)
        pipe.incr(TOTAL)
        pipe.execute()


def read_redis(client: Any, newest: int, *, kept: int) -> Rejected:
    """Return the count and the `newest` records of the `kept` ones. Raise the errors of the client."""
    total, entries = client.pipeline().get(TOTAL).lrange(LIST, 0, kept - 1).execute()
    records = [record for record in map(_from_entry, entries) if record is not None]
    try:
        count = int(total or 0)
    except ValueError:
        # Another program may have written this key, so only the list tells the number.
        count = len(records)
    return Rejected(count, records[:newest], len(entries) - len(records))


def _from_entry(entry: bytes) -> RejectedMessage | None:
    """Return the record in an entry of the list, or None if it holds none."""
    try:
        match json.loads(entry):
            case {"at": str(at), "queue": str(queue), "task": str(task), "reason": str(reason), "size": int(size)}:
                moment = datetime.fromisoformat(at)
                # Near the ends of the calendar, a time cannot be converted to other time zones.
                is_moment = moment.tzinfo is not None and 1970 <= moment.year < 9999
                readable = is_moment and is_utf8([queue, task, reason])
                return RejectedMessage(moment, queue, task, reason, size) if readable else None
    except (ValueError, RecursionError):
        pass
    return None


def read_rabbitmq(celery: BoundCelery, channel: Any, newest: int) -> Rejected:
    """Return the number of messages in the dead-letter queue, and the newest. Raise the errors of py-amqp.

    RabbitMQ cannot show messages without delivering them: all are fetched, and return to their places when the caller
    closes `channel`.
    """
    found = []
    while (message := channel.basic_get(REJECTED)) is not None:
        found.append(_from_dead_letter(celery, channel.message_to_python(message)))
    return Rejected(len(found), list(reversed(found))[:newest])


def _from_dead_letter(celery: BoundCelery, message: Any) -> RejectedMessage:
    death = _last_death(message)
    limit = celery.settings.message_max_bytes
    reason = why_unreadable(message, celery.tasks, max_bytes=limit) or UNHANDLED
    at, queue = death.get("time"), death.get("queue")
    moment = at.replace(tzinfo=at.tzinfo or UTC) if isinstance(at, datetime) else None
    return RejectedMessage(moment, str(queue or ""), task_of(message), reason, size_of(message))


def _last_death(message: Any) -> dict[str, Any]:
    """Return RabbitMQ's note about moving the message (the newest entry of its header x-death)."""
    match message.headers.get("x-death"):
        case [dict(death), *_]:
            return death
    return {}
