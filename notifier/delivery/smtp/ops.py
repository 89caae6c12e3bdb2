"""What a conversation asks of its driver. The protocol speaks these and never touches a socket.

A conversation is a generator: it yields operations, is sent a Reply for each `Read` and None for the
others, and meets a WireError at its `yield` where the driver cannot go on. Drivers may delay
writes until the next `Read`, so that all that can share a packet does.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from notifier.delivery.smtp.outcome import Phase, Reply


class Connect:
    """Open the connection."""

    __slots__ = ()


class StartTls:
    """Run the TLS handshake and verify the certificate. Anything read before it is an attack."""

    __slots__ = ()


class Write:
    """Send bytes. `phase` is the phase that is lost where they cannot be handed over as a whole.

    With Phase.BODY the driver must refuse (WireError, garbage) if the server has already said more
    than was asked: it could pass for the reply to this very body.
    """

    __slots__ = ("data", "phase")

    def __init__(self, data: bytes, phase: Phase) -> None:
        self.data = data
        self.phase = phase


class Read:
    """Wait for the next whole reply, as long as `phase` allows."""

    __slots__ = ("phase",)

    def __init__(self, phase: Phase) -> None:
        self.phase = phase


class Yield:
    """Let the other conversations of this thread read their replies first: what follows takes its time."""

    __slots__ = ()


Op: TypeAlias = Connect | StartTls | Write | Read | Yield
T = TypeVar("T")
#: A Read is answered with a Reply; what the others are answered with nobody looks at.
Conversation: TypeAlias = Generator[Op, Reply, T]

#: One for each phase, made once: they carry nothing else.
READ = {phase: Read(phase) for phase in Phase}
YIELD = Yield()
