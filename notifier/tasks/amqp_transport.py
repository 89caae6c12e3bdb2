"""kombu's transport for RabbitMQ, with two changes, so that unreadable messages reach the consumer.

py-amqp 5.4 raises inside the event loop if a property of a message is not UTF-8, or has an unknown type. The
worker would stop with the message unacknowledged, and RabbitMQ would hand it to the next worker. And kombu
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
    """Decode the properties of a message. Return none if they are unreadable; the consumer then rejects it."""
    try:
        decoded: tuple[dict[str, Any], int] = _decode_properties(buffer, offset)
    except (ValueError, TypeError, LookupError, OverflowError, OSError, StructError, FrameSyntaxError) as error:
        log.warning("broker.properties_unreadable", error=type(error).__name__)
        return {}, len(buffer)
    return decoded


# py-amqp looks up decoders in this table; it has no other hook.
serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = decode_properties


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


class Transport(pyamqp.Transport):
    """The transport of these connections."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = Connection
