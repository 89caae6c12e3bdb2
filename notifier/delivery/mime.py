"""The body of a mail: parts in quoted-printable and base64, joined by a boundary that is known beforehand."""

from base64 import encodebytes
from binascii import b2a_qp
from functools import lru_cache
from hashlib import sha256


def boundary_for(message_id: str, level: str = "") -> bytes:
    """The same for the same mail. `=_` cannot occur in quoted-printable or base64 (RFC 2045 6.7)."""
    return b"=_" + sha256(f"{level}{message_id}".encode("utf-8", "replace")).hexdigest()[:24].encode()


def quoted_printable(text: str) -> bytes:
    """`text` in UTF-8 quoted-printable with CRLF line ends, at most 76 characters a line (RFC 2045 6.7).

    Lone surrogates, which UTF-8 cannot hold, become question marks.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return b"\r\n".join(
        [_kept_line(line) if len(line) <= _KEPT_LENGTH else _quoted_line(line) for line in text.split("\n")]
    )


def _quoted_line(line: str) -> bytes:
    # The C encoder takes the line end of its soft breaks from the first newline of its input.
    return b2a_qp(line.encode("utf-8", "replace") + b"\r\n")[:-2]


#: Most lines of a mail are those of the mail before: encoding them again is half of the work.
_kept_line = lru_cache(maxsize=4096)(_quoted_line)
_KEPT_LENGTH = 2000


def text_part(subtype: str, text: str) -> bytes:
    """A whole part, `text/<subtype>`: fields, empty line, content."""
    return _TEXT_FIELDS % subtype.encode("ascii") + quoted_printable(text)


_TEXT_FIELDS = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def base64_part(fields: bytes, content: bytes) -> bytes:
    """A whole part of any type. `fields` end with CRLF."""
    encoded = encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    return fields + b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded


def multipart(parts: list[bytes], boundary: bytes) -> bytes:
    """The parts between their delimiters (RFC 2046 5.1.1), ending with CRLF."""
    delimiter = b"\r\n--" + boundary
    opening = delimiter + b"\r\n"
    return opening[2:] + opening.join(parts) + delimiter + b"--\r\n"
