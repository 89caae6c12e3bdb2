"""Many connections, one thread: hands over a batch."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from notifier.delivery.outcome import Outcome
from notifier.delivery.smtp import Envelope
from notifier.delivery.wire import Wire


class Lender(Protocol):
    """Who keeps the connections."""

    connections: int

    def take(self) -> Wire | None: ...
    def new_wire(self) -> Wire: ...
    def put(self, wire: Wire) -> None: ...
    def begun(self, envelope: Envelope) -> None: ...
    def settled(self, envelope: Envelope, outcome: Outcome) -> None: ...


def send_all(lender: Lender, envelopes: Iterable[Envelope], budget: float) -> Iterator[tuple[int, Outcome]]:
    raise NotImplementedError
