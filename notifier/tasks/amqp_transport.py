"""kombu's transport for RabbitMQ, with two changes, so that a message that is not readable reaches the consumer.

py-amqp 5.4 raises inside the event loop if a property of a message is not UTF-8, or is of a type that it does not
know. The worker would end with the message unacknowledged, and RabbitMQ would hand it to the next worker. And kombu
decompresses bodies while it receives them: a small one may become larger than the machine's memory.
"""

from struct import error as StructError
from typing import Any

import structlog
from amqp import serialization, spec
from amqp.exceptions import FrameSyntaxError
from kombu.transport import pyamqp

log = structlog.get_logger(__name__)

_decode_properties = serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID]


def decode_properties(buffer: Any, offset: int) -> tuple[dict[str, Any], int]:
    """Decode the properties of a message; return none at all if they are not readable. The consumer rejects it."""
    try:
        decoded: tuple[dict[str, Any], int] = _decode_properties(buffer, offset)
    except (ValueError, TypeError, LookupError, OverflowError, OSError, StructError, FrameSyntaxError) as error:
        log.warning("broker.properties_unreadable", error=type(error).__name__)
        return {}, len(buffer)
    return decoded


# The table by which py-amqp finds the decoder of a class of content; there is no other way in.
serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = decode_properties


class Message(pyamqp.Message):
    """A message whose body stays as it came: notifier compresses nothing."""

    def __init__(self, msg: Any, channel: Any = None, **kwargs: Any) -> None:
        headers = msg.properties.get("application_headers")
        if isinstance(headers, dict):
            headers.pop("compression", None)
        super().__init__(msg, channel=channel, **kwargs)


class Channel(pyamqp.Channel):
    """The channel of those messages."""

    Message = Message


class Connection(pyamqp.Connection):
    """The connection of those channels."""

    Channel = Channel


class Transport(pyamqp.Transport):
    """The transport of those connections."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = Connection
