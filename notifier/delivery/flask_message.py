"""Turn Flask-Mail messages, which the host application builds, into safe bytes.

Every address is checked, every field is encoded by the encoders of notifier's own emails, and the finished header block
passes the same check. A message that cannot be sent safely is refused before anything is sent.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser

import flask_mail

from notifier import clock
from notifier.delivery.staging import EVERYBODY, Staging, Withhold
from notifier.mail.addresses import Address, parse_address
from notifier.mail.header_check import ALLOWED, verify_header_block
from notifier.mail.header_fields import UnsafeHeader, encode_header_text, encode_mailbox, verbatim_field
from notifier.mail.header_text import clean_text
from notifier.mail.message import rfc5322_date
from notifier.mail.mime import base64_part, boundary_for, multipart, text_part

Mailbox = str | tuple[str, str]

#: Fields that this module writes, so `extra_headers` may not set them.
_OURS = frozenset(
    {b"from", b"to", b"cc", b"bcc", b"subject", b"date", b"message-id", b"mime-version", b"reply-to"}
    | {b"content-type", b"content-transfer-encoding"}
)
#: Machine-readable fields allowed beyond those of notifier's own emails.
_ALSO = frozenset({b"cc", b"in-reply-to", b"references", b"organization"})
_EXTENSION = re.compile(rb"x-[a-z0-9-]{1,50}\Z")
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,80}"
#: A type with its parameters (RFC 2045, section 5.1), such as `text/calendar; method=REQUEST`.
_VALUE = rf'(?:{_TOKEN}|"[ !#-\[\]-~]{{0,100}}")'
_PARAMETERS = rf"(?:; ?{_TOKEN}={_VALUE}){{0,5}}"
_CONTENT_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}{_PARAMETERS}\Z")
_SUBTYPE = re.compile(rf"{_TOKEN}{_PARAMETERS}\Z")
_CONTENT_ID = re.compile(r"<[!-;=?-~]{1,200}>\Z")
_TEXT_LIMIT, _FILENAME_LIMIT, _TYPE_LIMIT = 900, 150, 900


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message ready to send: one copy of `data` for each recipient. No recipients: staging withheld them all."""

    mail_from: str
    recipients: tuple[Address, ...]
    data: bytes
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class _Mailbox:
    name: str
    address: Address

    def encoded(self) -> bytes:
        return encode_mailbox(self.name, self.address.envelope)


def foreign_mail(
    message: flask_mail.Message, envelope_from: Mailbox | None = None, staging: Staging = EVERYBODY
) -> Foreign:
    """Build the bytes and the envelope of a Flask-Mail message, for the recipients that `staging` allows.

    Raise ValueError (AddressError, UnsafeHeader) if the message cannot be sent safely.
    """
    if message.mail_options or message.rcpt_options:
        raise ValueError("mail_options and rcpt_options are not supported: the transport negotiates them")
    if not message.sender:
        raise ValueError("the message has no sender and MAIL_DEFAULT_SENDER is not set")
    sender = _mailbox(message.sender)
    to, cc, bcc = ([_mailbox(each) for each in group] for group in (message.recipients, message.cc, message.bcc))
    everyone = {box.address.identity_key: box.address for box in (*to, *cc, *bcc)}
    if not everyone:
        raise ValueError("the message has no recipients")
    if staging.active:
        to, cc, bcc = (_staged(group, staging) for group in (to, cc, bcc))
        everyone = {box.address.identity_key: box.address for box in (*to, *cc, *bcc)}
    reply_to = _mailbox(message.reply_to) if message.reply_to else None
    shown = [sender, *to, *cc, *([reply_to] if reply_to else [])]
    smtputf8 = any(box.address.smtputf8 for box in shown)
    message.msgId = f"{message.msgId.partition('@')[0]}@{sender.address.domain}>"  # keeps the host's name out
    fields, body = _body(message)
    head = b"".join(
        (
            b"From: %s\r\n" % sender.encoded(),
            _mailboxes(b"To", to),
            _mailboxes(b"Cc", cc) if cc else b"",
            encode_header_text("Subject", message.subject or ""),
            f"Date: {rfc5322_date(_moment(message.date))}\r\nMessage-ID: {message.msgId}\r\n".encode("ascii"),
            b"Reply-To: %s\r\n" % reply_to.encoded() if reply_to else b"",
            b"MIME-Version: 1.0\r\n",
            *[_extra_field(name, value) for name, value in (message.extra_headers or {}).items()],
            fields,
        )
    )
    extensions = frozenset(name.lower().encode() for name in message.extra_headers or {})
    verify_header_block(head, smtputf8=smtputf8, also=_ALSO | extensions)
    bounces_to = _mailbox(envelope_from) if envelope_from else sender
    return Foreign(bounces_to.address.envelope, tuple(everyone.values()), b"%s\r\n%s" % (head, body), smtputf8)


def _staged(boxes: list[_Mailbox], staging: Staging) -> list[_Mailbox]:
    """Return the mailboxes to send to: those allowed, and the redirect address in place of each other one."""
    staged = []
    for box in boxes:
        way = staging.route(box.address.envelope)
        if isinstance(way, Withhold):
            continue
        staged.append(box if way.shown is None else _Mailbox(way.shown, parse_address(way.address)))
    return staged


def _mailbox(given: Mailbox) -> _Mailbox:
    """Parse `Name <address>`, an address, or a (name, address) pair. The last angle brackets hold the address."""
    if isinstance(given, tuple):
        return _Mailbox(given[0] or "", parse_address(given[1]))
    name, bracket, rest = given.strip().rpartition("<")
    if bracket and rest.endswith(">"):
        return _Mailbox(_unquoted(name.strip()), parse_address(rest[:-1]))
    return _Mailbox("", parse_address(given))


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _mailboxes(name: bytes, boxes: list[_Mailbox]) -> bytes:
    if not boxes:
        return name + b": undisclosed-recipients:;\r\n"
    return name + b": " + b",\r\n ".join([box.encoded() for box in boxes]) + b"\r\n"


def _moment(date: float | None) -> datetime:
    return clock.now() if date is None else datetime.fromtimestamp(date, UTC)


def _extra_field(name: str, value: str) -> bytes:
    key = name.lower().encode("ascii", "replace")
    if _EXTENSION.match(key):
        return encode_header_text(name, value, limit=_TEXT_LIMIT)
    if key in _OURS or key not in ALLOWED | _ALSO:
        raise UnsafeHeader("extra_headers holds a header that may not be set there")
    return verbatim_field(name, value)


def _body(message: flask_mail.Message) -> tuple[bytes, bytes]:
    """Return the header fields that describe the body, and the body."""
    text = message.body or text_of(message.alts.get("html") or "") or "\n"
    parts = [text_part("plain", text)]
    for subtype, content in message.alts.items():
        if not _SUBTYPE.match(subtype) or len(subtype) > _TYPE_LIMIT:
            raise UnsafeHeader("an alternative has a malformed type")
        parts.append(text_part(subtype, content))
    entity = _entity(parts, "alternative", message.msgId)
    if message.attachments:
        entity = _entity([entity, *map(_attachment, message.attachments)], "mixed", message.msgId)
    fields, _, body = entity.partition(b"\r\n\r\n")
    return fields + b"\r\n", body


def _entity(parts: list[bytes], kind: str, message_id: str) -> bytes:
    if len(parts) == 1:
        return parts[0]
    boundary = boundary_for(message_id, kind)
    fields = f'Content-Type: multipart/{kind}; boundary="{boundary.decode()}"\r\n\r\n'
    return fields.encode() + multipart(parts, boundary)


def _attachment(attachment: flask_mail.Attachment) -> bytes:
    if not _CONTENT_TYPE.match(attachment.content_type) or attachment.content_type.startswith("multipart/"):
        raise UnsafeHeader("an attachment has a malformed content type")
    if attachment.disposition not in {"attachment", "inline"}:
        raise UnsafeHeader("an attachment is either 'attachment' or 'inline'")
    kind = attachment.content_type
    if isinstance(attachment.data, str) and kind.startswith("text/") and "charset=" not in kind:
        kind += "; charset=utf-8"
    if len(kind) > _TYPE_LIMIT:
        raise UnsafeHeader("an attachment has a content type that does not fit into a line")
    lines = [f"Content-Type: {kind}", f"Content-Disposition: {attachment.disposition}"]
    if attachment.filename:
        lines[1] += ";\r\n " + _filename(attachment.filename)
    for name, value in attachment.headers.items():
        if name.lower() != "content-id" or not _CONTENT_ID.match(value):
            raise UnsafeHeader("an attachment may only set a Content-ID of the form <name>")
        lines.append(f"Content-ID: {value}")
    data = attachment.data.encode() if isinstance(attachment.data, str) else attachment.data
    return base64_part(("\r\n".join(lines) + "\r\n").encode("ascii"), data)


def _filename(name: str) -> str:
    """Return the filename parameter, encoded by RFC 2231 unless it is plain ASCII. Folders are cut off."""
    bare = clean_text(re.split(r"[/\\]", name)[-1], _FILENAME_LIMIT)
    if bare.isascii() and '"' not in bare:
        return f'filename="{bare}"'
    return "filename*=utf-8''" + "".join(
        char if char.isascii() and char.isalnum() else "".join(f"%{octet:02X}" for octet in char.encode())
        for char in bare
    )


def text_of(html: str) -> str:
    """Return the text of an HTML body, for a message that has no text of its own."""
    collector = _Words()
    collector.feed(html)
    collector.close()
    lines = (" ".join(line.split()) for line in "".join(collector.words).splitlines())
    return "\n".join(line for line in lines if line)


class _Words(HTMLParser):
    _BREAKS = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"style", "script", "head", "title"}:
            self._hidden += 1
        elif tag in self._BREAKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "head", "title"} and self._hidden:
            self._hidden -= 1
        elif tag in self._BREAKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data.replace("\n", " "))
