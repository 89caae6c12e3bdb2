"""Encode header fields: plain if possible, as RFC 2047 encoded words if necessary, folded at 78 characters.

All input is neutralised here (`clean_text`), so that no caller can forget it.
"""

import re
from base64 import b64encode
from functools import lru_cache
from typing import TypeVar

from notifier.mail.header_text import NAME_LIMIT, SUBJECT_LIMIT, clean_text

#: Octets of a line without CRLF (RFC 5322 2.1.1), and characters of an encoded word (RFC 2047 section 2).
SOFT_LINE, HARD_LINE, MAX_WORD = 78, 998, 75

_ATOM_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/^_`{|}~]+)*\Z")
_PLAIN_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*\Z")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-\u00a1-\U0010ffff]+\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9.\-]+\Z")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}\Z")
#: Characters allowed in an encoded word inside a phrase (RFC 2047 5.3), the strictest place.
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_TABLE = [chr(code) if code in _Q_SAFE else f"={code:02X}" for code in range(256)]
_Q_TABLE[0x20] = "_"
_Q_START, _B_START, _END = "=?utf-8?q?", "=?utf-8?b?", "?="
_T = TypeVar("_T", str, bytes)
_FRAME = len(_Q_START) + len(_END)


class UnsafeHeader(ValueError):
    """Something that must not occur in the header block of an email. The message contains no personal data."""


def encode_header_text(name: str, text: str, *, limit: int = SUBJECT_LIMIT) -> bytes:
    """Return one finished unstructured field, `Name: text` with CRLF.

    The text is first neutralised and cut at `limit` characters; decoding the field gives exactly that text. Raise
    UnsafeHeader for a name that is not a field name.
    """
    head = _field_head(name)
    if len(head) + len(text) <= SOFT_LINE and len(text) <= limit and "=?" not in text and _PLAIN_WORDS.match(text):
        return f"{head}{text}\r\n".encode("ascii")  # the common case: nothing to neutralise, nothing to fold
    clean = clean_text(text, limit)
    if not clean:
        return head.encode("ascii") + b"\r\n"
    plain = _PLAIN_WORDS.match(clean)
    if plain and len(head) + len(clean) <= SOFT_LINE:
        return f"{head}{clean}\r\n".encode("ascii")
    words = clean.split(" ") if plain else None
    if words is None or max(map(len, words)) >= SOFT_LINE - len(head):
        words = _encoded_words(clean, len(head))
    return (head + _fold(words, len(head)) + "\r\n").encode("ascii")


def verbatim_field(name: str, value: str) -> bytes:
    """Return one finished field for machines: printable ASCII, never encoded (RFC 8058 3.1).

    It stays on one line up to 998 octets; a longer one is folded at spaces. Raise UnsafeHeader for other values.
    """
    head = _field_head(name)
    if not _PLAIN_WORDS.match(value) or "=?" in value:
        raise UnsafeHeader(f"the value of {name} is not plain ASCII")
    words = value.split(" ")
    if len(head) + len(value) > HARD_LINE:
        value = "\r\n " + _fold(words, 1)
    if max(map(len, words)) >= HARD_LINE:
        raise UnsafeHeader(f"the value of {name} does not fit into a line")
    return f"{head.rstrip(' ') if value[0] == chr(13) else head}{value}\r\n".encode("ascii")


def encode_mailbox(name: str, address: str, *, offset: int = 10) -> bytes:
    """Return one mailbox for From, To, Cc or Reply-To, without CRLF: `"Acme, Inc." <news@acme.example>`.

    `offset` is the length of the field name on the first line. The name is neutralised. The address must have been
    checked (`parse_address`); raise UnsafeHeader if it could break the field. An address with `=?`, which is legal but
    looks like an encoded word, is written without the name. The result has bytes outside ASCII only if the address
    has (RFC 6532).
    """
    local, _, domain = address.rpartition("@")
    if not _LOCAL.match(local) or not local.isprintable() or not _DOMAIN.match(domain) or len(address) > 320:
        raise UnsafeHeader("not an address for a header")
    if "=?" in local:
        return address.encode("utf-8")
    short = len(name) <= min(NAME_LIMIT, SOFT_LINE - offset)
    # A phrase of atoms has nothing in it to neutralise.
    phrase = name if short and _ATOM_PHRASE.match(name) else _phrase(clean_text(name, NAME_LIMIT), offset)
    if not phrase:
        return address.encode("utf-8")
    last_line = phrase.rpartition("\n")[2]
    used = len(last_line) + (0 if "\n" in phrase else offset)
    space = " " if used + len(address) + 3 <= SOFT_LINE else "\r\n "
    return f"{phrase}{space}<{address}>".encode()


#: The cached version is for senders, of which there are few.
cached_mailbox = lru_cache(maxsize=256)(encode_mailbox)


@lru_cache(maxsize=256)
def _field_head(name: str) -> str:
    if not _FIELD_NAME.match(name):
        raise UnsafeHeader("not a field name")
    return f"{name}: "


def _phrase(name: str, offset: int) -> str:
    fits = len(name) + offset <= SOFT_LINE
    if not name or (fits and _ATOM_PHRASE.match(name)):
        return name
    if fits and name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return _fold(_encoded_words(name, offset), offset)


def _fold(words: list[str], offset: int) -> str:
    """Join words by a space, or by CRLF and a space if the line would exceed 78 characters."""
    out, length = [words[0]], offset + len(words[0])
    for word in words[1:]:
        if length + 1 + len(word) <= SOFT_LINE:
            out.append(f" {word}")
            length += 1 + len(word)
        else:
            out.append(f"\r\n {word}")
            length = 1 + len(word)
    return "".join(out)


def _encoded_words(text: str, offset: int) -> list[str]:
    """Return encoded words of at most 75 characters that split no character (RFC 2047 section 5).

    Use Q if most of the text stays readable, and B if that is shorter.
    """
    pieces = [char.encode("utf-8") for char in text]
    quoted = ["".join([_Q_TABLE[octet] for octet in piece]) for piece in pieces]
    first = max(min(MAX_WORD, SOFT_LINE - offset) - _FRAME, 16)
    rest = MAX_WORD - _FRAME
    if 3 * sum(map(len, quoted)) <= 4 * sum(map(len, pieces)) + 8:
        return [f"{_Q_START}{''.join(run)}{_END}" for run in _runs(quoted, first, rest)]
    runs = _runs(pieces, first // 4 * 3, rest // 4 * 3)
    return [f"{_B_START}{b64encode(b''.join(run)).decode()}{_END}" for run in runs]


def _runs(pieces: list[_T], first: int, rest: int) -> list[list[_T]]:
    """Group pieces into runs: the first run has a total length of at most `first`, the others of `rest`."""
    runs: list[list[_T]] = [[]]
    room = first
    for piece in pieces:
        if len(piece) > room:
            runs.append([])
            room = rest
        runs[-1].append(piece)
        room -= len(piece)
    return runs
