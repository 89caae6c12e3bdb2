"""kombu's Redis transport, with two changes: neither an entry that is not a message nor a lost server stops a worker.

kombu 5.7 lets errors of its reader, and of closing channels whose server is gone, out of the event loop. The row is the
truth, so no email is lost with an unreadable entry, or with a message that a lost connection did not give back: the
sweep enqueues its rows.
"""

from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis, virtual
from kombu.utils.json import loads

from notifier.config.settings import Settings
from notifier.tasks import rejected
from notifier.tasks.utf8 import is_utf8

log = structlog.get_logger(__name__)

#: Errors of kombu about an entry that it did not store; connections fail with other errors.
OF_THE_MESSAGE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


#: Delivery tags of messages that channels of this process held when they lost their server.
_not_given_back: set[str] = set()


class _NotAMessage(ValueError):
    """The entry is not one that kombu stored."""


class Message(virtual.Message):
    """A message with the fields that kombu reads before the consumer sees it; its body is not decompressed."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        match payload:
            case {
                "body": str(),
                "headers": dict(headers),
                "properties": {
                    "delivery_tag": str(),
                    "delivery_info": {"exchange": str(), "routing_key": str()},
                } as properties,
            } if is_utf8(properties):
                # kombu would decompress it while receiving: a small body may become larger than the memory.
                payload = payload | {"headers": {name: headers[name] for name in headers if name != "compression"}}
            case _:
                raise _NotAMessage
        try:
            super().__init__(payload, channel, **kwargs)
        except OF_THE_MESSAGE as error:
            raise _NotAMessage from error


class Channel(redis.Channel):
    """A channel that survives unreadable entries."""

    Message = Message

    from_transport_options = (*redis.Channel.from_transport_options, "rejected_kept")  # type: ignore[assignment]  # kombu infers a length
    #: How many records of rejected messages are kept: a transport option.
    rejected_kept: int = Settings.model_fields["rejected_messages_kept"].default

    def _brpop_read(self, **options: Any) -> Any:
        """Do as kombu 5.7 does: read the reply, decode the entry, deliver the message."""
        try:
            queue, entry = self._read_reply(**options)
            self._queue_cycle.rotate(queue)
            self._deliver(entry, queue)
        finally:
            self._in_poll = None  # type: ignore[assignment]  # kombu infers bool
            self._flush_brpop_reauth()
        return True

    def _deliver(self, entry: bytes, queue: str) -> None:
        """Hand the entry to the consumer. Raise Empty, once its record is kept, if the entry cannot be handed over."""
        message = None
        try:
            message = _decode(entry)
            self.connection._deliver(message, queue)
        except _NotAMessage:
            self.keep_rejected(rejected.Record.of_entry(queue, len(entry)))
            raise Empty from None
        except OF_THE_MESSAGE as error:
            reason = f"a worker could not take it ({type(error).__name__})"
            self.keep_rejected(rejected.Record.of_entry(queue, len(entry), reason))
            self._forget(message)
            raise Empty from None

    def _forget(self, message: Any) -> None:
        """Keep no copy of a message that was rejected: Redis would put it back into its queue after an hour."""
        match message:
            case {"properties": {"delivery_tag": str(tag)}} if tag in self.qos._delivered:
                self.basic_reject(tag, requeue=False)

    def _read_reply(self, **options: Any) -> tuple[str, bytes]:
        try:
            reply = self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        if not reply:
            raise Empty
        queue, entry = reply
        return queue.decode().rsplit(self.sep, 1)[0], entry

    def keep_rejected(self, record: rejected.Record) -> None:
        """Add a record to the capped list for operators. Raise the errors of the Redis client."""
        with self.conn_or_acquire() as client:
            rejected.add_to_redis(client, record, kept=self.rejected_kept)

    def close(self) -> None:
        """Close as kombu does; if the server is gone, send nothing.

        kombu would send commands to delete bindings and to give messages back. They fail, and when Celery closes the
        channel again, kombu has forgotten the address: an AttributeError would stop the worker.
        """
        held = set(self._qos._delivered) if self._qos else set()
        try:
            super().close()
        except (*self.connection_errors, self.ResponseError, AttributeError) as error:
            log.info("broker.channel_closed_alone", error=type(error).__name__, held=len(held))
            _not_given_back.update(held)
            self._close_alone()

    def give_back(self) -> None:
        """Put messages that this process held when it lost its connection back into their queues.

        Redis sets them aside for an hour by default, and a batch of 1,000 emails would wait as long. Raise the errors
        of the client.
        """
        while _not_given_back:
            tag = next(iter(_not_given_back))
            self.qos.restore_by_tag(tag)
            _not_given_back.discard(tag)

    def _close_alone(self) -> None:
        self.closed = True
        self._in_poll = None  # type: ignore[assignment]  # kombu infers bool
        self._disconnect_pools()
        self._close_clients()
        if self.connection is not None:
            self.connection.cycle.discard(self)
            self.connection.close_channel(self)

    def _receive_one(self, client: Any) -> bool:
        """Only log an unreadable message of remote control or events: no email depends on it."""
        try:
            return bool(super()._receive_one(client))
        except Empty:
            return False
        except OF_THE_MESSAGE as error:
            log.error("broker.broadcast_unreadable", error=type(error).__name__)
            return False


class SentinelChannel(Channel, redis.SentinelChannel):
    """The same on the server that Sentinels name."""

    from_transport_options = (*redis.SentinelChannel.from_transport_options, "rejected_kept")  # type: ignore[assignment]  # kombu infers a length


def _decode(entry: bytes) -> Any:
    try:
        return loads(entry.decode())
    except Exception as error:
        # JSON with kombu's own types, whose decoders can raise any error.
        raise _NotAMessage from error


class Transport(redis.Transport):
    """The transport of these channels."""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """The transport of the channels on a server that Sentinels name."""

    Channel = SentinelChannel
