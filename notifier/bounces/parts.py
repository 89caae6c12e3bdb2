"""Split an email into headers and parts (RFC 5322, RFC 2046), with a limit on everything before anything looks at it.

The parser of the standard library takes from a tenth of a second to several seconds for a hostile file of 1 MiB, and
it builds a tree of everything. A report needs its headers, its first texts and two or three small parts.
"""

import re
from dataclasses import dataclass, field

from notifier.bounces.decoding import header_text, text_of, transfer_decoded

#: Bytes of an email that are looked at, after its line ends became LF.
MAX_BYTES = 512 * 1024
#: Bytes of one block of headers, its lines, and bytes of one line.
MAX_HEADERS, MAX_HEADER_LINES, MAX_LINE = 64 * 1024, 400, 2000
#: Parts of one email, and levels of multiparts within each other.
MAX_PARTS, MAX_DEPTH = 40, 6
#: Bytes of a part's body that are kept.
MAX_BODY = 48 * 1024
#: Values of one header that are kept.
MAX_VALUES = 20
#: The media type of the text before the first part: for readers that know no parts, so it is read last.
PREAMBLE = "text/x-preamble"

_FIELD = re.compile(r"([!-9;-~]{1,70})[ \t]{0,8}:(.*)", re.DOTALL)
_PARAMETER = re.compile(r";\s{0,8}([a-z-]{1,40})\s{0,4}=\s{0,4}(?:\"([^\"]{0,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
#: Media types of what is given back: the returned email, or its headers (RFC 6522, RFC 6533).
_RETURNED = frozenset(
    {
        "message/rfc822",
        "text/rfc822",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
        "message/partial",
    }
)


@dataclass(frozen=True, slots=True)
class Headers:
    """Decoded values by name in lower case, in their order."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """Return the first value of a header, or an empty text."""
        return self.values.get(name, [""])[0]

    def every(self, name: str) -> list[str]:
        """Return all values of a header."""
        return self.values.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self.values


@dataclass(frozen=True, slots=True)
class Part:
    """One part that is no multipart. `body` is decoded and cut at MAX_BODY bytes."""

    media_type: str
    headers: Headers
    body: bytes
    charset: str

    @property
    def text(self) -> str:
        """Return the body as text."""
        return text_of(self.body, self.charset)

    @property
    def returned(self) -> bool:
        """Return whether this is the returned email, or its headers."""
        return self.media_type in _RETURNED


@dataclass(frozen=True, slots=True)
class Email:
    """The headers of an email, its media type, and its parts in their order."""

    headers: Headers
    media_type: str
    report_type: str
    parts: list[Part]


def split(data: bytes) -> Email:
    """Split the first MAX_BYTES of an email. Anything is an email: what has no headers is one text."""
    data = _normal(data)
    if data.startswith((b"From ", b">From ")):  # the separator of an mbox
        data = data.partition(b"\n")[2]
    headers, body = _halves(data)
    media_type, parameters = content_type(headers)
    parts: list[Part] = []
    _collect(headers, body, parts, MAX_DEPTH)
    return Email(headers, media_type, parameters.get("report-type", "").lower(), parts)


def _normal(data: bytes) -> bytes:
    """Return the beginning with LF as line end. CRLF must not make the part that is looked at smaller."""
    data = data[: 2 * MAX_BYTES]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data[:MAX_BYTES].lstrip(b"\n")


def _halves(data: bytes) -> tuple[Headers, bytes]:
    """Return headers and body. Without a line that could be a header there are no headers."""
    if data.startswith(b"\n"):
        return Headers(), data[1:]
    block, blank, body = data.partition(b"\n\n")
    headers = headers_of(block)
    if not headers.values:
        return headers, data
    return headers, body if blank else b""


def headers_of(block: bytes) -> Headers:
    """Parse a block of headers; lines that are none are ignored."""
    values: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in _lines(block[:MAX_HEADERS]):
        if line[:1] in {" ", "\t"}:
            if current and len(current[-1]) < MAX_LINE:
                current[-1] += " " + line.strip()
            continue
        found = _FIELD.fullmatch(line)
        current = None
        if found:
            kept = values.setdefault(found[1].lower(), [])
            if len(kept) < MAX_VALUES:
                kept.append(found[2].strip())
                current = kept
    return Headers({name: [header_text(value) for value in kept] for name, kept in values.items()})


def _lines(block: bytes) -> list[str]:
    if block.isascii():  # nearly all are: one call decodes them all
        lines = block.decode("ascii").split("\n", MAX_HEADER_LINES)[:MAX_HEADER_LINES]
        return [line[:MAX_LINE] for line in lines]
    return [text_of(raw[:MAX_LINE]) for raw in block.split(b"\n", MAX_HEADER_LINES)[:MAX_HEADER_LINES]]


def content_type(headers: Headers) -> tuple[str, dict[str, str]]:
    """Return the media type in lower case, and its parameters (RFC 2045, section 5.1)."""
    value = headers.first("content-type")
    media_type = value.partition(";")[0].strip().lower() or "text/plain"
    return media_type, {found[1].lower(): found[2] or found[3] or "" for found in _PARAMETER.finditer(value)}


def _collect(headers: Headers, body: bytes, parts: list[Part], depth: int) -> None:
    media_type, parameters = content_type(headers)
    boundary = parameters.get("boundary", "").rstrip()
    if media_type.startswith("multipart/") and boundary and depth:
        preamble, pieces = _pieces(body, boundary.encode("utf-8", "replace"))
        for piece in pieces:
            if len(parts) < MAX_PARTS:
                _collect(*_halves(piece), parts, depth - 1)
        if preamble.strip():
            parts.append(Part(PREAMBLE, Headers(), preamble[:MAX_BODY], ""))
        return
    encoding = headers.first("content-transfer-encoding")
    # Base64 is a third longer than what it stands for.
    kept = transfer_decoded(body[: MAX_BODY * 3 // 2], encoding)[:MAX_BODY]
    parts.append(Part(media_type, headers, kept, parameters.get("charset", "")))


def _pieces(body: bytes, boundary: bytes) -> tuple[bytes, list[bytes]]:
    """Return what is before the first line with the boundary, and what lies between them (RFC 2046, section 5.1.1).

    A body without any such line is all there is to read.
    """
    mark = b"\n--" + boundary
    preamble, *rest = (b"\n" + body).split(mark, MAX_PARTS)
    whole: list[bytes] = []
    for piece in rest:
        line, _, content = piece.partition(b"\n")
        if line.strip() == b"--":
            break
        if line.strip() and whole:  # the boundary of a part within this one begins with the same characters
            whole[-1] += mark + piece
            continue
        whole.append(content)
    return preamble, whole
