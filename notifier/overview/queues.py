"""Queues: what a look at the broker gives. The broker's door fills it in; pages only show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field


class BrokerAway(Exception):
    """The broker does not answer. The message is for people."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message: which task, and the numbers that it carries."""

    task: str
    about: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue, looked at without taking anything out of it."""

    name: str
    length: int
    #: The next to be taken, first.
    next: Sequence[Waiting] = field(default_factory=tuple)
