"""kombu's Redis transport, with one change: an entry of a queue that is no message is thrown away, not fatal.

kombu 5.7 lets the error of its JSON reader out of the event loop, which ends the worker. The row is the truth, so
nothing is lost with an entry that nobody can read: the sweep rings for whatever it was meant for.
"""

from json import JSONDecodeError
from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis, virtual

log = structlog.get_logger(__name__)


class _NotAMessage(ValueError):
    """JSON, but not what kombu stores."""


class Message(virtual.Message):
    """A message; what is none is told apart from a fault in handling one."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel, **kwargs)  # type: ignore[no-untyped-call]  # as all of kombu
        except (AttributeError, KeyError, TypeError) as error:
            raise _NotAMessage(type(error).__name__) from error


class Channel(redis.Channel):
    """A channel that survives what it cannot read."""

    Message = Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (JSONDecodeError, UnicodeDecodeError, _NotAMessage) as error:
            # What it held is not logged: it may be anything.
            log.error("broker.entry_unreadable", error=type(error).__name__)
            raise Empty from None


class Transport(redis.Transport):
    """The transport whose channels these are."""

    Channel = Channel
