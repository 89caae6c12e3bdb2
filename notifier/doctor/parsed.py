"""Read the bytes of an email as a receiver does, and name what breaks the standards."""

import email
import re
from collections.abc import Iterator
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from email.policy import default

#: Fields that must occur once (RFC 5322 3.6, RFC 2045 4), and those that may occur at most once.
_ONCE = ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type")
_AT_MOST_ONCE = ("Sender", "Reply-To", "Cc", "In-Reply-To", "References", "List-ID", "List-Unsubscribe", "Feedback-ID")

#: Octets of a line without CRLF (RFC 5322 2.1.1).
_LONGEST_LINE = 998

_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>\Z")


def problems_of(data: bytes, *, smtputf8: bool) -> Iterator[str]:
    """Yield what is wrong with the email, in plain words."""
    if b"\r" in data.replace(b"\r\n", b"") or b"\n" in data.replace(b"\r\n", b""):
        yield "a line does not end in CRLF"
    longest = max(map(len, data.split(b"\r\n")))
    if longest > _LONGEST_LINE:
        yield f"a line has {longest:,} octets, more than {_LONGEST_LINE}"
    if not smtputf8 and not data.isascii():
        yield "it is not 7-bit"
    # As text, because the parser for bytes does not know RFC 6532.
    message = email.message_from_string(data.decode("utf-8", "replace"), policy=default)
    assert isinstance(message, EmailMessage)
    yield from _fields(message)
    for part in message.walk():
        for defect in part.defects:
            yield f"{part.get_content_type()}: {type(defect).__name__}"
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    for kind in ("text/plain", "text/html"):
        body = message.get_body((kind.partition("/")[2],))
        if kind not in kinds or body is None or not body.get_content().strip():
            yield f"it has no {kind} part with content"


def _fields(message: EmailMessage) -> Iterator[str]:
    for name in _ONCE:
        count = len(message.get_all(name, []))
        if count != 1:
            yield f"{name} occurs {count} times instead of once"
    for name in _AT_MOST_ONCE:
        if len(message.get_all(name, [])) > 1:
            yield f"{name} occurs more than once"
    sender, date = message["From"], message["Date"]
    if not isinstance(sender, AddressHeader) or len(sender.addresses) != 1 or not sender.addresses[0].domain:
        yield "From is not one mailbox"
    if not isinstance(date, DateHeader) or date.datetime is None:
        yield "Date is not a date"
    if not _MESSAGE_ID.match(str(message["Message-ID"] or "").strip()):
        yield "Message-ID is not of the form <left@right>"
