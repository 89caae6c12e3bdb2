"""Represent one email as SMTP sees it: its commands, its dot-stuffed bytes, and the checks before MAIL."""

import re
from io import IncrementalNewlineDecoder
from typing import NamedTuple

from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.smtp.session import Session

#: Characters that would end the command, or the address in it.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>]")


class Envelope(NamedTuple):
    """One email to one recipient. `data` is a whole RFC 5322 message with CRLF, not dot-stuffed.

    `key` is the caller's own (a primary key); it is returned with the outcome. `ready` is the caller's guarantee that
    CR and LF occur only as CRLF, that the data ends with CRLF, and that no line begins with a dot.
    """

    key: int
    mail_from: str
    rcpt_to: str
    data: bytes
    smtputf8: bool = False
    ready: bool = False


class Later(NamedTuple):
    """Stand in for an envelope: the next one is available in `seconds`."""

    seconds: float


def mail_command(session: Session, envelope: Envelope) -> bytes:
    """Return the MAIL command with the parameters that this server and this email need."""
    size = b" SIZE=%d" % len(envelope.data) if session.has_size else b""
    body = b"" if envelope.data.isascii() else b" BODY=8BITMIME"
    utf8 = b" SMTPUTF8" if _needs_utf8(envelope) else b""
    return b"MAIL FROM:<%b>%b%b%b\r\n" % (envelope.mail_from.encode(), size, body, utf8)


def rcpt_command(envelope: Envelope) -> bytes:
    """Return the RCPT command for the one recipient."""
    return b"RCPT TO:<%b>\r\n" % envelope.rcpt_to.encode()


def _needs_utf8(envelope: Envelope) -> bool:
    return envelope.smtputf8 or not (envelope.rcpt_to.isascii() and envelope.mail_from.isascii())


def refuse_locally(session: Session, envelope: Envelope) -> Outcome | None:
    """Return the refusal of an email that this server cannot take: RFC 1870 (size), 6152 (8 bit), 6531 (addresses).

    Return None if it can be sent.
    """
    data = envelope.data
    if _UNSAFE.search(envelope.mail_from) or _UNSAFE.search(envelope.rcpt_to) or not envelope.rcpt_to:
        return _refuse(Scope.RECIPIENT, "the address has a character that is not allowed in an SMTP command")
    if _needs_utf8(envelope) and not session.smtputf8:
        return _refuse(Scope.RECIPIENT, "the address needs SMTPUTF8 and the mail server does not offer it (RFC 6531)")
    if 0 < session.size < len(data):
        return _refuse(Scope.CONTENT, f"{len(data)} bytes; the mail server accepts at most {session.size} (RFC 1870)")
    if not session.eight_bit and not data.isascii():
        return _refuse(Scope.CONTENT, "8-bit content and the mail server does not offer 8BITMIME (RFC 6152)")
    if not (envelope.ready or _has_whole_line_ends(data)):
        return _refuse(Scope.CONTENT, "a bare CR or LF in the message (RFC 5321, section 2.3.8)")
    return None


def _has_whole_line_ends(data: bytes) -> bool:
    """Return whether CR and LF occur only as CRLF. The decoder runs in C in one pass, 4 times as fast as counting."""
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(data.decode("latin-1"), final=True)
    return decoder.newlines in {"\r\n", None}


def _refuse(scope: Scope, text: str) -> Outcome:
    return Outcome(Decision.FAIL, Phase.MAIL, scope, text=text)


def stuff(envelope: Envelope) -> bytes:
    """Return the message for DATA: leading dots doubled, the final dot on its own line (RFC 5321, 4.5.2)."""
    data = envelope.data
    if envelope.ready:
        return data + b".\r\n"
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    return data + (b".\r\n" if data.endswith(b"\r\n") or not data else b"\r\n.\r\n")
