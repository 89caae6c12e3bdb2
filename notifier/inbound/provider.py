"""What all providers have in common: a post comes in, and is refused, or becomes events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notifier.feedback.events import FeedbackEvent


@dataclass(frozen=True, slots=True)
class Post:
    """A request of a provider."""

    #: By name in lower case.
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """A post whose proof is right."""

    events: tuple[FeedbackEvent, ...] = ()
    #: Names this post among all of the provider: a second one with the same token changes nothing.
    token: str | None = None


class Provider(Protocol):
    """One provider that is configured."""

    #: Bytes of the largest body that is read.
    max_bytes: int

    def receive(self, post: Post) -> Received:
        """Check the proof, then read the events. Raise Refused."""
        ...
