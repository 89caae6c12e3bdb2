"""Verify the finished header block of an email, octet by octet, before it is sent."""

import re

from notifier.mail.header_fields import HARD_LINE, UnsafeHeader
from notifier.mail.header_text import hides_control, hides_something

_REQUIRED = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version")
#: Every field that our emails may have, in lower case.
ALLOWED = frozenset(_REQUIRED) | {
    b"content-type",
    b"content-transfer-encoding",
    b"reply-to",
    b"auto-submitted",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-id",
    b"feedback-id",
    b"precedence",
    b"x-notifier-id",
    b"cfbl-address",
    # The same id for providers, which repeat these in their webhooks.
    b"x-pm-metadata-notifier-id",
    b"x-mailin-custom",
    b"x-mj-customid",
}
#: One field with its folded lines. A folded line of white space only would end the block for some parsers.
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]*):[\t -~\x80-\xff]*(?:\r\n[\t ]+[!-~\x80-\xff][\t -~\x80-\xff]*)*\r\n")
_ENCODED_WORD = re.compile(rb"=\?[A-Za-z0-9-]+\?[bBqQ]\?[!->@-~]*\?=(?=[\s<]|\Z)")
#: The address fields with their values.
_ADDRESSES = re.compile(rb"^(?:From|To|Cc|Reply-To):(?:[^\r]|\r\n[\t ])*", re.IGNORECASE | re.MULTILINE)
#: A quoted string, or an address: in angle brackets or as a whole mailbox.
_QUOTED_OR_ADDRESS = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"|<[^\s<>"@]+@[A-Za-z0-9.-]+>|(?<=[:,] )[^\s<>"@,]+@[A-Za-z0-9.-]+(?=,|\Z)'
)
_UNICODE_BREAKS = re.compile("[\x80-\x9f\u2028\u2029]")


def verify_header_block(block: bytes, *, smtputf8: bool = False, also: frozenset[bytes] = frozenset()) -> None:
    """Raise UnsafeHeader unless `block` is a header block that we may send (RFC 5322 3.6).

    `block` ends with the CRLF of its last field; the empty line may follow. Every field must be on the allow-list
    (extended by `also`, in lower case) and occur once; the six required fields must be present. No line may exceed 998
    octets. Control characters are not allowed, not even within encoded words. Every octet must be ASCII unless
    `smtputf8` permits UTF-8 (RFC 6532).
    """
    if not block.isascii():
        _verify_utf8(block, smtputf8)
    if len(block) > HARD_LINE and max(map(len, block.split(b"\r\n"))) > HARD_LINE:
        raise UnsafeHeader("a header line of more than 998 octets")
    names = _field_names(block)
    unknown = [name for name in names if name not in ALLOWED and name not in also]
    if unknown:
        raise UnsafeHeader(f"header {unknown[0].decode('ascii')} is not allowed")
    if len(set(names)) != len(names):
        raise UnsafeHeader("a header occurs twice")
    missing = [name.decode("ascii") for name in _REQUIRED if name not in names]
    if missing:
        raise UnsafeHeader(f"missing in the header block: {', '.join(missing)}")
    if b"=?" in block:
        _verify_words(block)


def _field_names(block: bytes) -> list[bytes]:
    """Return the names of all fields in lower case. Raise UnsafeHeader if an octet belongs to no field."""
    names = []
    end = len(block) - 2 if block.endswith(b"\r\n\r\n") else len(block)
    position = 0
    while position < end:
        field = _FIELD.match(block, position)
        if field is None:
            raise UnsafeHeader("a line of the header block is not a field")
        names.append(field.group(1).lower())
        position = field.end()
    return names


def _verify_utf8(block: bytes, smtputf8: bool) -> None:
    if not smtputf8:
        raise UnsafeHeader("bytes outside ASCII in the header block")
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsafeHeader("the header block is not UTF-8") from error
    if _UNICODE_BREAKS.search(text):
        raise UnsafeHeader("a line break of Unicode in the header block")


def _verify_words(block: bytes) -> None:
    """Raise UnsafeHeader for a broken encoded word, or one that hides a control character (CVE-2024-6923).

    In an address `=?` begins no encoded word (RFC 2047 section 5), but a hidden control character is refused there,
    too.
    """
    shown = _ADDRESSES.sub(lambda field: _QUOTED_OR_ADDRESS.sub(_without_address, field[0]), block)
    if b"=?" in _ENCODED_WORD.sub(b"", shown):
        raise UnsafeHeader("a broken encoded word in the header block")
    if hides_something(shown) or hides_control(block):
        raise UnsafeHeader("an encoded word hides a control character")


def _without_address(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b""
