"""What one attempt to hand over one mail came to: phase, decision, scope. Pure values.

The decisions and their effects are documented in docs/promises.md; `classify.py` makes them.
"""

from enum import StrEnum
from typing import NamedTuple

#: Longest text of a server that we keep, in characters.
MAX_TEXT = 500


class Phase(StrEnum):
    """Where in the conversation something happened (RFC 5321, section 3)."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    EOD = "eod"
    QUIT = "quit"

    #: Enum's own is a Python function, and phases are keys on the hot path.
    __hash__ = str.__hash__


class Decision(StrEnum):
    """What follows for the mail.

    ACCEPTED is final. RETRY backs off and counts as an attempt. THROTTLE backs off, slows the
    scope down and burns nothing. HOLD pauses the scope, alerts and burns nothing. FAIL ends this
    mail, BOUNCE ends it and suppresses the address. UNKNOWN: the final dot went out and no reply
    came back, so nobody can know (RFC 1047).
    """

    ACCEPTED = "ACCEPTED"
    RETRY = "RETRY"
    THROTTLE = "THROTTLE"
    HOLD = "HOLD"
    FAIL = "FAIL"
    BOUNCE = "BOUNCE"
    UNKNOWN = "UNKNOWN"

    __hash__ = str.__hash__


class Scope(StrEnum):
    """What the decision is about: the next mail of the same scope would meet the same."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    DOMAIN = "domain"
    #: All domains of the recipient's mailbox provider, through this transport. Known from the domain alone.
    PROVIDER = "provider"
    SENDER = "sender"
    CONTENT = "content"
    TRANSPORT = "transport"

    __hash__ = str.__hash__


class Failure(StrEnum):
    """How a conversation can end without a reply."""

    REFUSED = "refused"
    DNS = "dns"
    TIMEOUT = "timeout"
    DROP = "drop"
    RESET = "reset"
    GARBAGE = "garbage"
    TLS = "tls"
    LOCAL = "local"

    __hash__ = str.__hash__


class Reply(NamedTuple):
    """One whole reply of a server: its lines are joined, without codes and control characters.

    `enhanced` is the enhanced status code (RFC 3463) such as "5.1.1", None where there is none.
    """

    code: int
    text: str = ""
    enhanced: str | None = None
    lines: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """The end of one attempt. `min_delay` (seconds) is the soonest that a next try makes sense.

    `code` and `enhanced` are None where no reply decided. `text` is safe to log and to store.
    """

    decision: Decision
    phase: Phase
    scope: Scope
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    min_delay: float = 0


def clean(text: str) -> str:
    """Text of a stranger, made fit for a log line and a column: printable, at most MAX_TEXT."""
    text = text[:MAX_TEXT].strip()
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)
