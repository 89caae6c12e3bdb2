"""Define the operations that an SMTP conversation asks of its driver, so that it never touches a socket.

A conversation is a generator. It writes to its Pipe and yields the operation that it waits for. The driver sends a
Reply for each `Read` and None for the others, and throws WireError at the `yield` if it cannot continue. Output is
sent when the conversation waits, so that commands share packets.
"""

from collections.abc import Generator
from typing import Protocol, TypeAlias, TypeVar

from notifier.smtp.outcome import Phase, Reply


class Connect:
    """Open the connection."""

    __slots__ = ()


class StartTls:
    """Run the TLS handshake and verify the certificate. Input that is already buffered counts as an attack."""

    __slots__ = ()


class Read:
    """Wait for the next whole reply, within the time limit of `phase`."""

    __slots__ = ("phase",)

    def __init__(self, phase: Phase) -> None:
        self.phase = phase


class Yield:
    """Let the other conversations of this thread read their replies first, because the next step is slow."""

    __slots__ = ()


class Pipe(Protocol):
    """The calls that a conversation makes without waiting."""

    @property
    def pending(self) -> bool:
        """Return whether unread input has arrived.

        After every command was answered, such input was not asked for and would pass for the reply to the next command.
        """

    def ask(self, data: bytes, phase: Phase) -> None:
        """Queue a single command. Raise WireError (garbage) if input is pending."""

    def write(self, data: bytes, phase: Phase) -> None:
        """Queue bytes. `phase` is the phase that fails if they cannot be handed over as a whole.

        Raise WireError (garbage) for Phase.BODY if the server has already sent more replies than were asked for: one
        could pass for the reply to this very body. Raise WireError if the connection is closed.
        """

    def take(self) -> Reply | None:
        """Return the next whole reply that has already arrived, or None. Raise WireError (garbage)."""


Op: TypeAlias = Connect | StartTls | Read | Yield
T = TypeVar("T")
#: The driver answers a Read with a Reply; the answer to other operations is ignored.
Conversation: TypeAlias = Generator[Op, Reply, T]

#: One shared instance for each phase, because a Read carries nothing else.
READ = {phase: Read(phase) for phase in Phase}
YIELD = Yield()
