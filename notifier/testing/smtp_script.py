"""What a scripted mail server may do, and what it notes: the vocabulary of `notifier.testing.smtp_server`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Action = str | tuple[str, ...] | None
Step = Action | list[Action] | Callable[["Session"], Action]
Script = Mapping[str, Step]

EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000000", "ENHANCEDSTATUSCODES")
DEFAULTS = {
    "banner": "220 mx.example ESMTP",
    "helo": "250 mx.example",
    "starttls": "220 2.0.0 Go ahead",
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 End data with <CR><LF>.<CR><LF>",
    "eod": "250 2.0.0 Ok: queued",
    "rset": "250 2.0.0 Ok",
    "noop": "250 2.0.0 Ok",
    "quit": "221 2.0.0 Bye",
}


@dataclass(frozen=True)
class Command:
    """One line from a client. `tls`: it came encrypted."""

    session: int
    line: str
    tls: bool


@dataclass(frozen=True)
class Accepted:
    """One accepted email. `time`: Unix seconds. `replied`: the script let a reply follow."""

    session: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    time: float
    replied: bool
    #: Parameters of MAIL, such as SIZE=1234, in upper case.
    parameters: tuple[str, ...] = ()


@dataclass
class Session:
    """The state of one connection, for scripts that decide by it."""

    number: int
    #: How many MAIL commands this connection has sent.
    mails: int = 0
    mail_from: str | None = None
    parameters: tuple[str, ...] = ()
    rcpt_to: list[str] = field(default_factory=list)
    #: The recipient of the RCPT in question.
    recipient: str = ""
    #: Bytes that the client had sent after the command or the body in question.
    ahead: bytes = b""
    tls: bool = False
    authenticated: bool = False


def first_reply(action: Action) -> str | None:
    """Return the first part of an action."""
    return action[0] if isinstance(action, tuple) else action


def wire_form(text: str) -> bytes:
    """Return a reply of one or more lines, each with its code (RFC 5321 4.2.1)."""
    if "\r\n" in text:
        return f"{text}\r\n".encode()
    *first, last = text.split("\n")
    lines = [f"{line[:3]}-{line[4:]}" for line in first]
    return "".join(f"{line}\r\n" for line in [*lines, last]).encode("utf-8", "surrogateescape")
