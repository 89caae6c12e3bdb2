"""One connection: aiosmtpd's protocol, with bounds on time, size, commands and unknown recipients.

RFC 5321 and RFC 2033 (LMTP). Only the first 512 KiB of an email are kept, because no more of it is looked at.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, syntax

from notifier.bounces.parts import MAX_BYTES
from notifier.listener.admission import Admission

log = structlog.get_logger(__name__)

#: Octets of a command (RFC 5321, section 4.5.3.1.4, with room for its parameters).
MAX_COMMAND = 1024
#: Octets that are read at once. Lines of an email may be longer: many systems send such ones.
CHUNK = 16 * 1024
#: A client that sends this many times the allowed size is cut off; up to it, it gets an answer.
HARD_CUT = 2
#: Recipients of one connection that may be unknown before it ends: this is no place to try addresses.
MAX_UNKNOWN = 20
#: How often a connection may give each command.
CALLS = {"MAIL": 1000, "RCPT": 2000, "DATA": 1000, "RSET": 1000, "NOOP": 100, "*": 20}
#: Seconds that a client may take for its next command, or for more of its email.
IDLE = 60

TOO_BIG = "552 5.3.4 The email is too big"


class Store(Protocol):
    """What a conversation asks for besides aiosmtpd's hooks."""

    async def take(self, data: bytes, recipients: Sequence[str]) -> list[str]:
        """Store an email for each recipient. Return one answer for each."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one connection."""

    #: Bytes of an email.
    max_size: int
    #: Seconds of the whole connection.
    session: float


if TYPE_CHECKING:
    _Base = SMTP
else:
    _Base = object


class Conversation(_Base):
    """What LMTP and SMTP have in common. Each of its connections has one."""

    line_length_limit = CHUNK

    def __init__(
        self, handler: Store, limits: Limits, admission: Admission, everyone: "set[Conversation]", hostname: str
    ) -> None:
        """Be one of `everyone` while the connection lasts."""
        super().__init__(
            handler, data_size_limit=limits.max_size, enable_SMTPUTF8=True, hostname=hostname, ident="notifier",
            timeout=min(IDLE, limits.session), command_call_limit=CALLS, loop=asyncio.get_running_loop(),
        )  # fmt: skip
        #: aiosmtpd's is one for all connections, and grows with every EHLO.
        self.command_size_limits = defaultdict(lambda: MAX_COMMAND)
        self._store = handler
        self._limits = limits
        self._admission = admission
        self._everyone = everyone
        #: Its IP address.
        self.client = ""
        self._end: asyncio.TimerHandle | None = None
        self._is_busy = self._is_stopping = False
        self.unknown = 0

    def connection_made(self, transport: Any) -> None:
        """Look who it is before the first byte is sent."""
        client = str((transport.get_extra_info("peername") or ("0.0.0.0",))[0])
        if not self._admission.is_allowed(client):
            log.warning("listener.foreign_client", client=client)
            transport.abort()
            return
        if not self._admission.enter(client):
            log.warning("listener.too_many_connections", client=client)
            transport.write(b"421 4.7.0 Too many connections, try again later\r\n")
            transport.close()
            return
        self.client = client
        self._everyone.add(self)
        self._end = self.loop.call_later(self._limits.session, self.leave, "421 4.4.2 This connection took too long")
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Make room for another client."""
        if self._end is None:
            return
        self._end.cancel()
        self._everyone.discard(self)
        self._admission.leave(self.client)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Give the client as long again for its email, which may take longer than a command."""
        if self._is_busy:
            self._reset_timeout()
        super().data_received(data)

    def _timeout_cb(self) -> None:
        """Say why before the connection ends (RFC 5321, section 3.8)."""
        self.leave("421 4.4.2 Nothing came for too long")

    def stop(self) -> None:
        """End the connection, but let an email that is on its way be stored and answered first."""
        self._is_stopping = True
        if not self._is_busy:
            self.leave("421 4.3.2 The listener is stopping, try again later")

    def leave(self, answer: str) -> None:
        """Say this, and close the connection."""
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(f"{answer}\r\n".encode())
            self.transport.close()

    def cut(self) -> None:
        """Close the connection at once."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Take a recipient. Too many unknown ones end the connection."""
        await super().smtp_RCPT(arg)
        if self.unknown >= MAX_UNKNOWN:
            self.leave("421 4.7.0 Too many unknown recipients")

    async def smtp_VRFY(self, arg: str | None) -> None:
        """Tell nothing about addresses (RFC 5321, section 7.3)."""
        await self.push("252 2.5.2 Send an email, and see")

    async def smtp_HELP(self, arg: str | None) -> None:
        """Have no help: most commands of the base class do nothing here."""
        await self.push("502 5.5.1 Not implemented")

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """Take an email; answer once it is stored, for each recipient as the protocol says."""
        if arg:
            await self.push("501 5.5.4 DATA has no parameter")
            return
        recipients = list(self.envelope.rcpt_tos) if self.envelope is not None else []
        if not recipients:
            await self.push("503 5.5.1 No valid recipient")
            return
        self._is_busy = True
        try:
            await self.push("354 End the email with a line that has only a dot")
            data = await self._content()
            answers = [TOO_BIG] * len(recipients) if data is None else await self._store.take(data, recipients)
            self.envelope = self._create_envelope()
            await self.push("\r\n".join(self.answers(answers)))
        finally:
            self._is_busy = False
        if self._is_stopping:
            self.stop()

    def answers(self, each: list[str]) -> list[str]:
        """Return what is said about the answers for each recipient."""
        raise NotImplementedError

    async def _content(self) -> bytes | None:
        """Read up to the final dot. Return the beginning that is looked at; None if the email is too big."""
        kept, size, at_start = bytearray(), 0, True
        while True:
            try:
                piece = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as overrun:
                # A long line, in pieces. A final CR stays in the buffer, so no piece ends inside a line end.
                piece = await self._reader.read(overrun.consumed)
            if at_start and piece == b".\r\n":
                break
            if at_start and piece.startswith(b"."):
                piece = piece[1:]
            at_start = piece.endswith(b"\r\n")
            size += len(piece)
            kept += piece[: max(MAX_KEPT - len(kept), 0)]
            if size > HARD_CUT * self._limits.max_size:
                self.leave(TOO_BIG)
                raise asyncio.CancelledError
        return None if size > self._limits.max_size else bytes(kept)


#: Bytes that are kept: what is looked at, when each line end has become one byte instead of two.
MAX_KEPT = 2 * MAX_BYTES


class LmtpConversation(Conversation, LMTP):
    """LMTP: one answer for each recipient (RFC 2033, section 4.2)."""

    def answers(self, each: list[str]) -> list[str]:
        """Return one answer for each recipient."""
        return each


class SmtpConversation(Conversation, SMTP):
    """SMTP: one answer for all, which is good only if it is for each."""

    def answers(self, each: list[str]) -> list[str]:
        """Return the worst answer."""
        return [max(each)]
