"""Read a mail the way a patient mail program does: whatever was sent, something is shown and nothing raises.

The old `compat32` policy on purpose: the modern one raises on some of the broken headers and charsets that
an inbox for developers must be able to show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from functools import cached_property

from notifier.dev.inbox.links import Link, links_in_angles, links_in_html, links_in_text
from notifier.dev.inbox.tags import first_words

#: Characters. The time to decode a header grows with the square of its length; a longer one is shown as it was sent.
MAX_HEADER = 32 * 1024

#: Deeper nesting is an attack on the reader, not a mail.
MAX_DEPTH = 20


@dataclass(frozen=True)
class Part:
    """A leaf of the MIME tree."""

    number: int
    content_type: str
    filename: str
    content_id: str
    is_attachment: bool
    content: bytes
    charset: str

    @property
    def text(self) -> str:
        """The content as text; unknown charsets are read as UTF-8."""
        return decode(self.content, self.charset)


class Reading:
    """One mail, taken apart."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def message(self) -> "Message[str, str]":
        """The parsed tree; a mail nested too deeply to parse is one text."""
        try:
            return message_from_bytes(self._data, policy=policy.compat32)
        except RecursionError:
            flat: Message[str, str] = Message()
            flat.set_payload(self._data.decode("utf-8", "replace"), "utf-8")
            return flat

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Names and decoded values, in order."""
        return [(clean_bytes(name), decode_words(str(value))) for name, value in self.message.raw_items()]

    def header(self, name: str) -> str:
        """The first header of that name, decoded, on one line; empty when there is none."""
        wanted = name.lower()
        found = (value for key, value in self.headers if key.lower() == wanted)
        return " ".join(next(found, "").split())

    @cached_property
    def parts(self) -> list[Part]:
        """All leaves, in order."""
        return [_part(number, leaf) for number, leaf in enumerate(_leaves(self.message))]

    @cached_property
    def text(self) -> str:
        """The plain text, all of it."""
        return "\n".join(part.text for part in self._bodies("text/plain"))

    @cached_property
    def html(self) -> str:
        """The HTML, all of it; empty when there is none."""
        return "\n".join(part.text for part in self._bodies("text/html"))

    @property
    def attachments(self) -> list[Part]:
        """Everything that is not a body."""
        bodies = {part.number for kind in ("text/plain", "text/html") for part in self._bodies(kind)}
        return [part for part in self.parts if part.number not in bodies]

    @cached_property
    def links(self) -> list[Link]:
        """Where a reader can go from here: from the HTML, what only the text has, and the mail program's own."""
        seen: dict[str, Link] = {}
        own = links_in_angles(self.header("List-Unsubscribe"), "List-Unsubscribe")
        for link in [*links_in_html(self.html), *links_in_text(self.text), *own]:
            seen.setdefault(link.target, link)
        return list(seen.values())

    @property
    def snippet(self) -> str:
        """The first words of the text."""
        words = " ".join(self.text[:2_000].split()) or first_words(self.html, 160)
        return words[:160]

    def _bodies(self, content_type: str) -> list[Part]:
        return [part for part in self.parts if part.content_type == content_type and not part.is_attachment]


def _leaves(message: "Message[str, str]", depth: int = 0) -> Iterator["Message[str, str]"]:
    payload = message.get_payload()
    if isinstance(payload, list) and depth < MAX_DEPTH:
        for child in payload:
            if isinstance(child, Message):
                yield from _leaves(child, depth + 1)
    else:
        yield message


def _part(number: int, leaf: "Message[str, str]") -> Part:
    content = leaf.get_payload(decode=True)
    return Part(
        number=number,
        content_type=leaf.get_content_type(),
        filename=decode_words(_filename(leaf)),
        content_id=str(leaf.get("Content-ID", "")).strip("<> \t"),
        is_attachment=leaf.get_content_disposition() == "attachment",
        content=content if isinstance(content, bytes) else b"",
        charset=_charset(leaf),
    )


def _filename(leaf: "Message[str, str]") -> str:
    try:
        return leaf.get_filename() or ""
    except (LookupError, ValueError):  # RFC 2231 with a charset that does not exist
        return "unreadable-name"


def _charset(leaf: "Message[str, str]") -> str:
    try:
        return str(leaf.get_content_charset() or "utf-8")
    except (LookupError, ValueError):
        return "utf-8"


def decode(content: bytes, charset: str) -> str:
    """Text from bytes, whatever the charset says."""
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):  # no such charset, or a codec that is not for text
        text = content.decode("utf-8", "replace")
    return text if isinstance(text, str) else ""


def clean_bytes(text: str) -> str:
    """Raw 8-bit bytes in a header arrive as surrogates: read them as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode_words(value: str) -> str:
    """RFC 2047 encoded words as text; what cannot be decoded stays as it was sent."""
    value = clean_bytes(value)
    if "=?" not in value or len(value) > MAX_HEADER:
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(
        decode(piece, charset or "latin-1") if isinstance(piece, bytes) else piece for piece, charset in pieces
    )
