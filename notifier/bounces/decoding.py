"""Decode bytes of strangers into text. Every function returns a text for any input, and none raises."""

import base64
import binascii
import codecs
import quopri
import re
from functools import lru_cache

#: Characters of a header's value that are decoded (RFC 2047).
MAX_VALUE = 2000

#: Character sets of emails. Python knows more codecs, which are no character sets, or which are slow.
_CHARSETS = frozenset(
    {"ascii", "utf-8", "utf-16", "utf-7", "koi8-r", "koi8-u", "big5", "big5hkscs", "gb2312", "gbk", "gb18030", "hz"}
    | {"euc_jp", "shift_jis", "cp932", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr", "euc_kr", "cp949"}
    | {"johab", "tis-620", "cp437", "cp850", "cp852", "cp866", "cp874", "mac-roman", "mac-cyrillic"}
    | {f"iso8859-{number}" for number in range(1, 17)}
    | {f"cp{number}" for number in range(1250, 1259)}
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{1,30}", re.IGNORECASE)
#: An encoded word (RFC 2047, section 2).
_WORD = re.compile(r"=\?([\w.*-]{1,40})\?([bqBQ])\?([^\s?]{0,800})\?=")
_BETWEEN_WORDS = re.compile(r"\?=\s{1,8}=\?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));")
_ENTITIES = {"nbsp": " ", "lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
#: Elements after which a new line begins.
_BLOCK = frozenset(
    {"br", "p", "div", "tr", "li", "table", "pre", "blockquote", "ul", "ol", "hr", "title"}
    | {f"h{level}" for level in range(1, 7)}
)
_SKIPPED = frozenset({"style", "script"})


def text_of(raw: bytes, charset: str = "") -> str:
    """Decode bytes by the named character set, else as UTF-8, else as Windows-1252."""
    codec = _codec(charset) if charset else ""
    if codec and codec not in {"ascii", "utf-8"}:
        return raw.decode(codec, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Return the name of Python's codec; empty for what is no character set of emails."""
    name = charset.strip().strip("\"'").lower()
    # Exchange 2000 names UTF-7 like this (RFC 1641).
    name = {"unicode-1-1-utf-7": "utf-7", "x-unknown": "", "ansi_x3.110-1983": "cp1252"}.get(name, name)
    if not _NAME.fullmatch(name):
        return ""
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return ""
    return found if found in _CHARSETS or found.replace("_", "-") in _CHARSETS else ""


def transfer_decoded(raw: bytes, encoding: str) -> bytes:
    """Undo a Content-Transfer-Encoding (RFC 2045, section 6). What is no base64 stays out."""
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(raw)
    return _base64(raw) if encoding == "base64" else raw


def _base64(raw: bytes) -> bytes:
    clean = _NOT_BASE64.sub(b"", raw)
    # One character too many carries no whole byte.
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return base64.b64decode(clean + b"=" * (-len(clean) % 4))


def header_text(value: str) -> str:
    """Decode the encoded words of a header's value (RFC 2047)."""
    value = value[:MAX_VALUE]
    if "=?" not in value:
        return value
    return _WORD.sub(_word, _BETWEEN_WORDS.sub("?==?", value))


def _word(found: re.Match[str]) -> str:
    charset, encoding, written = found.groups()
    raw = written.encode("ascii", "replace")
    raw = _base64(raw) if encoding in "bB" else binascii.a2b_qp(raw, header=True)
    return text_of(raw, charset.partition("*")[0])


def html_text(source: str) -> str:
    """Return the visible text of HTML: elements become spaces or line ends. One pass over any source."""
    out: list[str] = []
    skipping = ""
    for number, piece in enumerate(source.split("<")):
        tag, closed, rest = piece.partition(">") if number else ("", ">", piece)
        name = tag.strip("/ \n\t").partition(" ")[0].lower()
        if not closed or (tag and not (name[:1].isalpha() or name[:1] == "!")):
            out.append("" if skipping else f"<{piece}")
            continue
        if "@" in name and not skipping:
            # An address in brackets that was not escaped.
            out.append(f"<{tag}>{rest}")
            continue
        if skipping:
            skipping = "" if tag.startswith("/") and name == skipping else skipping
            if skipping:
                continue
        elif name in _SKIPPED and not tag.startswith("/"):
            skipping = name
            continue
        out.append(("\n" if name in _BLOCK else " ") + rest if tag else rest)
    return _ENTITY.sub(_entity, "".join(out))


def _entity(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _ENTITIES.get(name.lower(), " ")
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if 32 <= number < 0xD800 or 0xE000 <= number < 0x110000 else " "
