"""The consumer, with two changes: no message ends it, and it comes back to a lost broker within seconds.

Celery 5.7 takes a message with a right header at its word: `{}` as the body of a known task raises out of the event
loop and ends the worker; on RabbitMQ the next worker gets the same message. Here each message is looked at first.
"""

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from amqp.exceptions import PreconditionFailed
from celery.exceptions import InvalidTaskError
from celery.worker.consumer import Consumer
from kombu.exceptions import ContentDisallowed, SerializationError

from notifier.tasks import rejected
from notifier.tasks.celery_app import RECONNECT, celery_app, is_rabbitmq, rejected_queue
from notifier.tasks.reading import why_unreadable

log = structlog.get_logger(__name__)

#: What Celery raises over a message that it does not understand although we did. Faults of the broker, of the pool
#: and of the machine (OSError, MemoryError) are none of them: they must not be taken for a fault of the message.
OF_THE_MESSAGE = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError,
    InvalidTaskError, SerializationError, ContentDisallowed,
)  # fmt: skip


class PatientConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer: it keeps aside what it cannot run, and tries to reach the broker at short intervals."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying for as long as the settings say."""
        conn.ensure_connection = partial(conn.ensure_connection, **RECONNECT)
        return super().ensure_connected(conn)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        settings = celery_app.settings
        if is_rabbitmq(str(self.app.conf.broker_url)):
            self._declare_rejected(settings.rejected_messages_kept)
        channel = self.task_consumer.channel
        if hasattr(channel, "give_back"):
            channel.give_back()
        tasks, limit = self.app.tasks, settings.message_max_bytes

        def handle_carefully(message: Any) -> None:
            reason = why_unreadable(message, tasks, max_bytes=limit)
            if reason is not None:
                self.keep_aside(message, reason)
                return
            try:
                handle(message)
            except OF_THE_MESSAGE as error:
                # Not its text, which may quote the body.
                frame = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(frame.filename).name}:{frame.lineno}"
                log.error("broker.message_unhandled", error=type(error).__name__, place=place)
                self.keep_aside(message, f"a worker could not handle it ({type(error).__name__})")

        return handle_carefully

    def _declare_rejected(self, kept: int) -> None:
        """Messages that are rejected before this queue exists are gone."""
        try:
            with self.connection.channel() as channel:
                rejected_queue(kept)(channel).declare()
        except PreconditionFailed:
            log.warning(
                "broker.dead_letter_queue_differs",
                detail="The queue exists with other limits and keeps them. Delete it to use REJECTED_MESSAGES_KEPT.",
            )

    def keep_aside(self, message: Any, reason: str) -> None:
        """Log, count and keep the message, and take it out of its queue. Raises connection errors only."""
        record = rejected.Record.of_message(message, reason)
        if hasattr(message.channel, "keep_rejected"):
            message.channel.keep_rejected(record)
        else:
            rejected.log_it(record)
        if not (message.acknowledged or _needs_no_ack(message)):
            message.reject_log_error(log, self.connection_errors)

    # What Celery itself finds fault with. Its own handlers write the whole message to the log.

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Called for a message that kombu could not take apart."""
        self.keep_aside(message, f"it cannot be decoded ({type(exc).__name__})")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Called for a message without a task."""
        self.keep_aside(message, "its header names no task")

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called for a message whose task is not registered."""
        self.keep_aside(message, "its task is unknown")

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called for a message that does not follow the protocol."""
        self.keep_aside(message, f"it does not follow the protocol ({type(exc).__name__})")


def _needs_no_ack(message: Any) -> bool:
    """True if the broker forgot the message when it sent it, as it does for remote control."""
    return (message.delivery_info or {}).get("consumer_tag") in (message.channel.no_ack_consumers or ())
