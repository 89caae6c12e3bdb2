"""Parse an email as a tolerant mail program does: for any input, something is shown and nothing raises.

This uses the old `compat32` policy on purpose: the modern one raises on some of the broken headers and charsets that an
inbox for developers must be able to show.
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

#: Characters. The time to decode a header grows with the square of its length, so a longer one is shown undecoded.
MAX_HEADER = 32 * 1024

#: Deeper nesting is an attack on the parser, not an email.
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
        """Return the content as text; unknown charsets are read as UTF-8."""
        return decode(self.content, self.charset)


class Reading:
    """A parsed email."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def message(self) -> "Message[str, str]":
        """Return the parsed tree; an email nested too deeply to parse is one text."""
        try:
            return message_from_bytes(self._data, policy=policy.compat32)
        except RecursionError:
            flat: Message[str, str] = Message()
            flat.set_payload(self._data.decode("utf-8", "replace"), "utf-8")
            return flat

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Return names and decoded values, in order."""
        return [(clean_bytes(name), decode_words(str(value))) for name, value in self.message.raw_items()]

    def header(self, name: str) -> str:
        """Return the first header of that name, decoded, on one line; empty if there is none."""
        wanted = name.lower()
        found = (value for key, value in self.headers if key.lower() == wanted)
        return " ".join(next(found, "").split())

    @cached_property
    def parts(self) -> list[Part]:
        """Return all leaves, in order."""
        return [_part(number, leaf) for number, leaf in enumerate(_leaves(self.message))]

    @cached_property
    def text(self) -> str:
        """Return all plain-text parts, joined."""
        return "\n".join(part.text for part in self._bodies("text/plain"))

    @cached_property
    def html(self) -> str:
        """Return all HTML parts, joined; empty if there is none."""
        return "\n".join(part.text for part in self._bodies("text/html"))

    @property
    def attachments(self) -> list[Part]:
        """Return all parts that are not a body."""
        bodies = {part.number for kind in ("text/plain", "text/html") for part in self._bodies(kind)}
        return [part for part in self.parts if part.number not in bodies]

    @cached_property
    def links(self) -> list[Link]:
        """Return the links: of the HTML, those that only the text has, and those of List-Unsubscribe."""
        seen: dict[str, Link] = {}
        own = links_in_angles(self.header("List-Unsubscribe"), "List-Unsubscribe")
        for link in [*links_in_html(self.html), *links_in_text(self.text), *own]:
            seen.setdefault(link.target, link)
        return list(seen.values())

    @property
    def snippet(self) -> str:
        """Return the first words of the text."""
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
    """Decode bytes; an unknown charset is read as UTF-8."""
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):  # The charset does not exist, or it is a codec that is not for text.
        text = content.decode("utf-8", "replace")
    return text if isinstance(text, str) else ""


def clean_bytes(text: str) -> str:
    """Read raw 8-bit bytes in a header, which arrive as surrogates, as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode_words(value: str) -> str:
    """Decode encoded words (RFC 2047); undecodable ones stay as they were sent."""
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
