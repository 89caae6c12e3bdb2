"""The mail as a frozen value, and its bytes.

Bytes, not objects: the stdlib's EmailMessage takes about 2 ms for a mail and can be injected
(CVE-2024-6923); joining encoded parts takes about 0.1 ms. Safety does not go with it: one tested
module encodes every field, and the finished header block is checked against an allow-list.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from notifier.mail.header_check import verify_header_block
from notifier.mail.header_fields import cached_mailbox, encode_header_text, encode_mailbox, verbatim_field
from notifier.mail.mime import Body, alternative, as_given, boundary_for, quoted_printable

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+>\Z")


#: Header blocks that `verify_header_block` is known to pass, given that there is no `=?` in them: known fields
#: in our order, once each, printable ASCII, no long lines. Most are like that, and this costs a tenth.
_PLAIN_HEAD = re.compile(
    rb"From: [!-~][ -~]{0,400}\r\n"
    rb"To: [!-~][ -~]{0,400}\r\n"
    rb"Subject: [!-~][ -~]{0,400}(?:\r\n [!-~][ -~]{0,400}){0,3}\r\n"
    rb"Date: [!-~][ -~]{0,80}\r\nMessage-ID: <[!-~]{1,800}>\r\n"
    rb"(?:Reply-To: [!-~][ -~]{0,400}\r\n)?"
    rb"MIME-Version: 1\.0\r\nAuto-Submitted: auto-generated\r\n"
    rb"(?:List-Unsubscribe: [!-~]{1,900}\r\nList-Unsubscribe-Post: [!-~]{1,80}\r\n"
    rb"List-ID: [!-~]{1,400}\r\nFeedback-ID: [!-~]{1,400}\r\n)?"
    rb"Content-Type: multipart/alternative; boundary=\"=_[0-9a-f]{24}\"\r\n\Z"
)


class MessageError(ValueError):
    """A mail that cannot be built: a mistake of ours, not of its recipient."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One mail to one recipient, rendered. `text` and `html` may be given encoded; they are read as text.

    Addresses come from `parse_address` (`Address.envelope`). `date` must be aware. `headers` are extra
    fields, written verbatim: `subscription_headers` makes those of subscription mail.
    """

    sender_name: str
    sender_address: str
    recipient: str
    subject: str
    text: Body = Body()  # noqa: RUF009 - a descriptor, no default
    html: Body = Body()  # noqa: RUF009 - a descriptor, no default
    message_id: str
    date: datetime
    envelope_sender: str
    recipient_name: str = ""
    reply_to: str | None = None
    reply_to_name: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def smtputf8(self) -> bool:
        """True where an address needs RFC 6531; everything else is 7-bit always."""
        return not (self.recipient.isascii() and self.sender_address.isascii() and (self.reply_to or "").isascii())


def subscription_headers(unsubscribe_url: str, list_id: str, feedback_id: str) -> tuple[tuple[str, str], ...]:
    """What subscription mail carries and transactional mail must not (RFC 8058 3.1, RFC 2919)."""
    return (
        ("List-Unsubscribe", f"<{unsubscribe_url}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-ID", f"<{list_id}>"),
        ("Feedback-ID", feedback_id),
    )


def build(message: Message) -> bytes:
    """The bytes of the mail: CRLF throughout, no line begins with a dot. The same message gives the same bytes.

    Raises MessageError for an empty text or a malformed Message-ID, UnsafeHeader where the finished
    header block is not what we mean to send.
    """
    text, html = as_given(message, "text"), as_given(message, "html")
    if isinstance(text, str) and (not text or text.isspace()):
        raise MessageError("the text part is empty")
    boundary = boundary_for(message.message_id)
    head = _header_block(message, boundary)
    if not _PLAIN_HEAD.match(head) or b"=?" in head:
        verify_header_block(head, smtputf8=message.smtputf8)
    plain = quoted_printable(text) if isinstance(text, str) else text.data
    page = quoted_printable(html) if isinstance(html, str) else html.data
    return b"".join((head, b"\r\n", *alternative(plain, page, boundary)))


def _header_block(message: Message, boundary: bytes) -> bytes:
    if not _MESSAGE_ID.match(message.message_id):
        raise MessageError("malformed Message-ID")
    reply_to = b""
    if message.reply_to:
        reply_to = b"Reply-To: %s\r\n" % cached_mailbox(message.reply_to_name, message.reply_to)
    return b"".join(
        (
            b"From: %s\r\n" % cached_mailbox(message.sender_name, message.sender_address),
            b"To: %s\r\n" % encode_mailbox(message.recipient_name, message.recipient),
            encode_header_text("Subject", message.subject),
            f"Date: {rfc5322_date(message.date)}\r\nMessage-ID: {message.message_id}\r\n".encode(),
            reply_to,
            b"MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n",
            *[verbatim_field(name, value) for name, value in message.headers],
            b'Content-Type: multipart/alternative; boundary="%s"\r\n' % boundary,
        )
    )


def rfc5322_date(moment: datetime) -> str:
    """`Mon, 02 Jan 2006 15:04:05 +0000`, whatever the locale."""
    if moment.tzinfo is None:
        raise MessageError("the date must be aware")
    return _date_of_second(moment.timestamp() // 1)


@lru_cache(maxsize=16)
def _date_of_second(timestamp: float) -> str:
    """Many mails leave within one second."""
    t = datetime.fromtimestamp(timestamp, UTC)
    return (
        f"{_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year:04} "
        f"{t.hour:02}:{t.minute:02}:{t.second:02} +0000"
    )


def verp_sender(notification_id: int, key: str, domain: str) -> str:
    """The envelope sender that brings a bounce home: `b+<id>.<mac>@domain` (RFC 5321 4.4)."""
    return f"b+{notification_id}.{_verp_mac(str(notification_id), key)}@{domain}"


def parse_verp(address: str, keys: list[str]) -> int | None:
    """The notification that this envelope recipient belongs to; None unless one of `keys` made it.

    Letter case does not matter: some servers change it.
    """
    match = _VERP.match(address)
    if match is None:
        return None
    number, mac = match.group(1), match.group(2).lower()
    genuine = [key for key in keys if hmac.compare_digest(mac, _verp_mac(number, key))]
    return int(number) if genuine else None


_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_TEN_BITS = [first + second for first in _BASE32 for second in _BASE32]
_VERP = re.compile(r"[bB]\+([1-9][0-9]{0,18}|0)\.([a-zA-Z2-7]{16})@[^@\s]+\Z", re.ASCII)


def _verp_mac(number: str, key: str) -> str:
    """80 bits in base32, lower case: no server objects to it, nobody guesses it."""
    bits = int.from_bytes(hmac.digest(key.encode(), b"notifier.verp:" + number.encode(), "sha256")[:10])
    # The standard library's b32encode takes ten times as long.
    return "".join([_TEN_BITS[bits >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)])
