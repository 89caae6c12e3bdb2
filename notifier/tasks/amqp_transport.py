"""kombu's transport for RabbitMQ, with two changes, so that unreadable messages reach the consumer.

py-amqp 5.4 raises inside the event loop if a property of a message is not UTF-8, or has an unknown type. The
worker would stop with the message unacknowledged, and RabbitMQ would hand it to the next worker. And kombu
decompresses bodies while it receives them: a small one may become larger than the machine's memory.
"""

from collections.abc import Callable
from contextvars import ContextVar
from struct import error as StructError
from typing import Any

import structlog
from amqp import method_framing, serialization, spec
from amqp.exceptions import FrameSyntaxError
from kombu.transport import pyamqp

log = structlog.get_logger(__name__)

_decode_properties = serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID]


#: Whether one of our connections reads right now: those of other applications of the process stay as they are.
_is_ours: ContextVar[bool] = ContextVar("notifier_reads_amqp", default=False)

#: The type of frames with properties (AMQP 0-9-1, section 2.3.5.2).
HEADER_FRAME = 2


def decode_properties(buffer: Any, offset: int) -> tuple[dict[str, Any], int]:
    """Decode the properties of a message.

    Return none if they are unreadable and came on one of our connections; the consumer then rejects the message.
    """
    if not _is_ours.get():
        return _decode_properties(buffer, offset)  # type: ignore[no-any-return]  # py-amqp ships no types
    try:
        decoded: tuple[dict[str, Any], int] = _decode_properties(buffer, offset)
    except (ValueError, TypeError, LookupError, OverflowError, OSError, StructError, FrameSyntaxError) as error:
        log.warning("broker.properties_unreadable", error=type(error).__name__)
        return {}, len(buffer)
    return decoded


# py-amqp looks up decoders in this table; it has no other hook.
serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = decode_properties


def frame_handler(connection: Any, callback: Any) -> Callable[[Any], bool]:
    """Return py-amqp's function for frames, which tells `decode_properties` that the connection is ours."""
    on_frame: Callable[[Any], bool] = method_framing.frame_handler(connection, callback)

    def on_our_frame(frame: Any) -> bool:
        if frame[0] != HEADER_FRAME:
            return on_frame(frame)
        token = _is_ours.set(True)
        try:
            return on_frame(frame)
        finally:
            _is_ours.reset(token)

    return on_our_frame


class Message(pyamqp.Message):
    """A message whose body is not decompressed: notifier compresses none."""

    def __init__(self, msg: Any, channel: Any = None, **kwargs: Any) -> None:
        headers = msg.properties.get("application_headers")
        if isinstance(headers, dict):
            headers.pop("compression", None)
        super().__init__(msg, channel=channel, **kwargs)


class Channel(pyamqp.Channel):
    """A channel of these messages."""

    Message = Message


class Connection(pyamqp.Connection):
    """A connection of these channels."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, frame_handler=frame_handler, **options)


class Transport(pyamqp.Transport):
    """The transport of these connections."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = Connection
