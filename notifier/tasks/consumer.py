"""The consumer, with two changes: no message stops it, and it returns to a lost broker within seconds.

Celery 5.7 trusts a message with a valid header: `{}` as the body of a known task raises out of the event loop and stops
the worker; on RabbitMQ the next worker then gets the same message. So each message is checked first.
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

from notifier import extras
from notifier.tasks import rejected
from notifier.tasks.broker_options import RECONNECT, is_rabbitmq
from notifier.tasks.message_check import why_unreadable
from notifier.tasks.queues import rejected_queue

log = structlog.get_logger(__name__)

#: Errors of Celery about a message that passed our checks. Errors of the broker, the pool and the machine (OSError,
#: MemoryError) are not among them: they must not be mistaken for a fault of the message.
OF_THE_MESSAGE = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError,
    InvalidTaskError, SerializationError, ContentDisallowed,
)  # fmt: skip


class PatientConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer: it rejects messages that it cannot run, and tries to reach the broker at short intervals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create one. Raise MissingExtra if kombu is older than 5.7.

        Its loop reads on once a second only when a task of a thread ends (4 emails a second), and may miss retries.
        """
        extras.require("worker", "A worker")
        super().__init__(*args, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, retrying as long as the settings say."""
        conn.ensure_connection = partial(conn.ensure_connection, **RECONNECT)
        return super().ensure_connected(conn)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the function that is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        settings = self.app.settings
        if is_rabbitmq(self.app.broker_url):
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
                # Not the text of the error, which may quote the body.
                frame = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(frame.filename).name}:{frame.lineno}"
                log.error("broker.message_unhandled", error=type(error).__name__, place=place)
                self.keep_aside(message, f"a worker could not handle it ({type(error).__name__})")

        return handle_carefully

    def _declare_rejected(self, kept: int) -> None:
        """Declare the dead-letter queue: messages rejected before it exists are lost."""
        try:
            with self.connection.channel() as channel:
                rejected_queue(kept)(channel).declare()
        except PreconditionFailed:
            log.warning(
                "broker.dead_letter_queue_differs",
                detail="The queue exists with other limits and keeps them. Delete it to use REJECTED_MESSAGES_KEPT.",
            )

    def keep_aside(self, message: Any, reason: str) -> None:
        """Log, count and keep the message, and take it out of its queue. Raise connection errors only."""
        record = rejected.Record.of_message(message, reason)
        if hasattr(message.channel, "keep_rejected"):
            message.channel.keep_rejected(record)
        else:
            rejected.log_it(record)
        if not (message.acknowledged or _needs_no_ack(message)):
            message.reject_log_error(log, self.connection_errors)

    # Faults that Celery itself finds. Its own handlers would write the whole message to the log.

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Reject a message that kombu could not decode."""
        self.keep_aside(message, f"it cannot be decoded ({type(exc).__name__})")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Reject a message without a task."""
        self.keep_aside(message, "its header names no task")

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Reject a message whose task is not registered."""
        self.keep_aside(message, "its task is unknown")

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Reject a message that does not follow the protocol."""
        self.keep_aside(message, f"it does not follow the protocol ({type(exc).__name__})")


def _needs_no_ack(message: Any) -> bool:
    """Return True if the broker needs no acknowledgement, as for messages of remote control."""
    return (message.delivery_info or {}).get("consumer_tag") in (message.channel.no_ack_consumers or ())
