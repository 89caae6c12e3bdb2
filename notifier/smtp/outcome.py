"""Describe how one attempt to hand over one email ended: phase, decision, scope. Pure values.

The decisions and their effects are documented in docs/promises.md; `classify.py` makes them.
"""

from enum import StrEnum
from typing import NamedTuple

#: Longest server text that is stored, in characters.
MAX_TEXT = 500


class Phase(StrEnum):
    """The step of the SMTP conversation at which something happened (RFC 5321, section 3)."""

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

    #: Enum's own hash is a Python function, and phases are dictionary keys on the hot path.
    __hash__ = str.__hash__


class Decision(StrEnum):
    """The consequence for the email.

    ACCEPTED is final. RETRY backs off and counts as an attempt. THROTTLE backs off and slows the scope down without
    using an attempt. HOLD pauses the scope and alerts without using an attempt. FAIL ends this email; BOUNCE ends it
    and suppresses the address. UNKNOWN: the final dot went out and no reply came back, so delivery is uncertain
    (RFC 1047).
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
    """The extent of a decision: the next email within the same scope would get the same one."""

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
    """The ways in which a conversation can end without a reply."""

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
    """One whole reply of a server; `text` joins its lines without codes and control characters.

    `enhanced` is the enhanced status code (RFC 3463), such as "5.1.1", or None.
    """

    code: int
    text: str = ""
    enhanced: str | None = None
    lines: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """The end of one attempt. `min_delay` is the shortest useful delay before the next one, in seconds.

    `code` and `enhanced` are None if no reply decided. `text` is safe to log and to store.
    """

    decision: Decision
    phase: Phase
    scope: Scope
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    min_delay: float = 0


def clean(text: str) -> str:
    """Make a server's text fit for a log line and a column: printable, at most MAX_TEXT characters."""
    text = text[:MAX_TEXT].strip()
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)
