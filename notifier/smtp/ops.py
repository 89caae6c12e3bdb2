"""What a conversation asks of its driver. The protocol speaks these and never touches a socket.

A conversation is a generator: it writes to its Pipe, yields what it waits for, is sent a Reply for each `Read` and
None for the others, and meets a WireError at its `yield` where the driver cannot go on. What is written
goes out when it waits, so that all that can share a packet does.
"""

from collections.abc import Generator
from typing import Protocol, TypeAlias, TypeVar

from notifier.smtp.outcome import Phase, Reply


class Connect:
    """Open the connection."""

    __slots__ = ()


class StartTls:
    """Run the TLS handshake and verify the certificate. Anything read before it is an attack."""

    __slots__ = ()


class Read:
    """Wait for the next whole reply, as long as `phase` allows."""

    __slots__ = ("phase",)

    def __init__(self, phase: Phase) -> None:
        self.phase = phase


class Yield:
    """Let the other conversations of this thread read their replies first: what follows takes its time."""

    __slots__ = ()


class Pipe(Protocol):
    """What a conversation does without waiting."""

    @property
    def pending(self) -> bool:
        """Whether something has come in that nobody has taken. Where all was answered, nobody asked for it: it would
        pass for the reply to whatever is asked next.
        """

    def ask(self, data: bytes, phase: Phase) -> None:
        """Write a command on its own. Raises WireError (garbage) where something is pending."""

    def write(self, data: bytes, phase: Phase) -> None:
        """Queue bytes. `phase` is the phase that is lost where they cannot be handed over as a whole.

        With Phase.BODY it refuses (WireError, garbage) if the server has already said more
        than was asked: it could pass for the reply to this very body. Raises WireError, too, where nothing can be sent.
        """

    def take(self) -> Reply | None:
        """The next whole reply that has come in already, None where there is none. Raises WireError (garbage)."""


Op: TypeAlias = Connect | StartTls | Read | Yield
T = TypeVar("T")
#: A Read is answered with a Reply; what the others are answered with nobody looks at.
Conversation: TypeAlias = Generator[Op, Reply, T]

#: One for each phase, made once: they carry nothing else.
READ = {phase: Read(phase) for phase in Phase}
YIELD = Yield()
