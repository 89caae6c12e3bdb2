"""The broker's queues as plain values. The broker's adapter fills them in; pages only show them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


class BrokerAway(Exception):
    """The broker does not answer. The message is for people."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message: its task, and the numbers it carries."""

    task: str
    about: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue, read without taking anything out of it."""

    name: str
    length: int
    #: The next messages to be taken, in order. None: this broker shows no message without handing it out.
    next: Sequence[Waiting] | None = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """One message that no worker could run. Nothing in it comes from the message's body."""

    #: None: the broker does not tell.
    at: datetime | None
    queue: str
    #: Empty: the message names none that can be shown.
    task: str
    reason: str
    #: Bytes of its body.
    size: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The messages that no worker could run."""

    #: Redis: all since the list was emptied. RabbitMQ: those that its dead-letter queue still holds.
    count: int
    #: Newest first.
    newest: Sequence[RejectedMessage]
    #: Entries of the list that are not records: another program wrote them.
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class BrokerState:
    """The state of the broker."""

    queues: Sequence[Queue]
    rejected: Rejected
