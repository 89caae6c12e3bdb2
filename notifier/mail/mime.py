"""Build the body of an email: parts in quoted-printable or base64, joined by a predetermined boundary."""

import re
from base64 import encodebytes
from binascii import a2b_qp, b2a_qp
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple


def boundary_for(message_id: str, level: str = "") -> bytes:
    """Return the same boundary for the same email. `=_` never occurs in quoted-printable or base64 (RFC 2045 6.7)."""
    return b"=_" + sha256(f"{level}{message_id}".encode("utf-8", "replace")).hexdigest()[:24].encode()


def quoted_printable(text: str) -> bytes:
    """Encode `text` as UTF-8 quoted-printable with CRLF line ends, at most 76 characters per line (RFC 2045 6.7).

    Lone surrogates, which UTF-8 cannot encode, become question marks.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return b"\r\n".join(
        [_kept_line(line) if len(line) <= _KEPT_LENGTH else _quoted_line(line) for line in text.split("\n")]
    )


def _quoted_line(line: str) -> bytes:
    return _encode(line.encode("utf-8", "replace") + b"\r\n")[:-2]


def _encode(data: bytes) -> bytes:
    """Encode `data`, which has at least one CRLF: the C encoder copies the style of the first line end."""
    encoded = b2a_qp(data)
    if b"=20\r\n" in encoded or b"=09\r\n" in encoded:
        # The encoder ignores the limit when it escapes a blank at the end of a line.
        encoded = _OVERLONG.sub(rb"\1=\r\n\2", encoded)
    return _LEADING_DOTS.sub(_hidden_dots, encoded) if _has_leading_dot(encoded) else encoded


_OVERLONG = re.compile(rb"(?m)^([^\r\n]{74,75})(=(?:20|09)\r)")
_LEADING_DOTS = re.compile(rb"(?m)^(\.+)([^\r\n]*)")


def _has_leading_dot(data: bytes) -> bool:
    return data.startswith(b".") or b"\n." in data


def _hidden_dots(line: "re.Match[bytes]") -> bytes:
    """Escape a leading dot, so that SMTP need not double it (RFC 5321 4.5.2) and no faulty gateway can lose it."""
    dots, rest = line.groups()
    if len(dots) + len(rest) + 2 <= _LINE:
        return b"=2E" + dots[1:] + rest
    # The line would be too long: escape each dot, with soft line breaks in between.
    most = _LINE // 3 - 1
    pieces = [b"=2E" * min(most, len(dots) - start) for start in range(0, len(dots), most)]
    return b"=\r\n".join([*pieces, rest])


#: Most lines are the same as in the previous email, and encoding them again is half of the work.
_kept_line = lru_cache(maxsize=4096)(_quoted_line)
_KEPT_LENGTH = 2000


def quoted_lines(data: bytes) -> bytes:
    """Encode lines with CRLF in quoted-printable. Most need no change at all."""
    if len(data) < _WORTH_A_LOOK:
        return _encode(data)
    lines = data.split(b"\r\n")
    if (
        not data.translate(None, _VERBATIM)
        and max(map(len, lines)) <= _LINE
        and not (b" \r\n" in data or _has_leading_dot(data))
    ):
        return data
    find = _lines.get
    return b"\r\n".join([line and (find(line) or _encoded_line(line)) for line in lines])


def _encoded_line(line: bytes) -> bytes:
    if len(line) > _LINE:
        return _kept_bytes(line) if len(line) <= _KEPT_LENGTH else _quoted_bytes(line)
    plain = not line.translate(None, _VERBATIM) and line[-1:] != b" " and line[:1] != b"."
    encoded = line if plain else _quoted_bytes(line)
    if len(_lines) >= _MOST_LINES:
        _lines.clear()
    _lines[line] = encoded
    return encoded


#: Short lines and what they become: most are the same in the next email, and looking them up is faster than looking at
#: them. Threads share it: a line that is missing is encoded again.
_lines: dict[bytes, bytes] = {}
_MOST_LINES = 4096


def _quoted_bytes(line: bytes) -> bytes:
    return _encode(line + b"\r\n")[:-2]


_kept_bytes = lru_cache(maxsize=4096)(_quoted_bytes)


_LINE, _WORTH_A_LOOK = 76, 400
_VERBATIM = bytes(code for code in range(0x20, 0x7F) if code != ord("=")) + b"\r\n"


class EncodedBody(NamedTuple):
    """A text that is already quoted-printable, with CRLF, not blank, and without a dot at the start of a line."""

    data: bytes

    def text(self) -> str:
        """Decode to the text that the recipient sees."""
        return a2b_qp(self.data).decode().replace("\r\n", "\n")


class Body:
    """A dataclass field that may be set to an encoded text, and that always reads as text."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, holder: object | None, owner: type) -> str:
        if holder is None:
            raise AttributeError(self._name)  # otherwise dataclasses would take this for a default
        given = as_given(holder, self._name)
        return given if isinstance(given, str) else given.text()

    def __set__(self, holder: object, given: str | EncodedBody) -> None:
        holder.__dict__[self._name] = given


def as_given(holder: object, name: str) -> str | EncodedBody:
    """Return the Body `name` of `holder` as it was set, without decoding."""
    given: str | EncodedBody = holder.__dict__[name]
    return given


def alternative(text: bytes, html: bytes, boundary: bytes) -> tuple[bytes, ...]:
    """Return the pieces of a multipart/alternative of two encoded parts, for the caller to join once."""
    delimiter = b"--" + boundary
    return (delimiter, _PLAIN_FIELDS, text, b"\r\n", delimiter, _HTML_FIELDS, html, b"\r\n", delimiter, b"--\r\n")


def text_part(subtype: str, body: str | EncodedBody) -> bytes:
    """Return a whole part, `text/<subtype>`: fields, empty line, content."""
    content = quoted_printable(body) if isinstance(body, str) else body.data
    return _TEXT_FIELDS % subtype.encode("ascii") + content


_TEXT_FIELDS = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_PLAIN_FIELDS, _HTML_FIELDS = (b"\r\n" + _TEXT_FIELDS % subtype for subtype in (b"plain", b"html"))


def base64_part(fields: bytes, content: bytes) -> bytes:
    """Return a whole part of any type, in base64. `fields` end with CRLF."""
    encoded = encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    return fields + b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded


def multipart(parts: list[bytes], boundary: bytes) -> bytes:
    """Join the parts with their delimiters (RFC 2046 5.1.1), ending with CRLF."""
    delimiter = b"\r\n--" + boundary
    opening = delimiter + b"\r\n"
    return opening[2:] + opening.join(parts) + delimiter + b"--\r\n"
