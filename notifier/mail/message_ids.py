"""Make Message-IDs from the keys of a row, the same in every attempt, and read them back (RFC 5322 3.6.4)."""

import hashlib
import re
from typing import NamedTuple

_FORM = re.compile(r"<?n(\d{1,19})\.([0-9a-f]{16})@[A-Za-z0-9.-]+>?")


class MessageKeys(NamedTuple):
    """The keys that a Message-ID contains."""

    pk: int
    #: The digest of the dedupe key: another row for the same reason has the same one.
    digest: str


def digest_of(dedupe_key: str) -> str:
    """Return 64 bits of the SHA-256 of a dedupe key, as 16 hexadecimal digits."""
    return hashlib.sha256(dedupe_key.encode()).hexdigest()[:16]


def make(pk: int, dedupe_key: str, domain: str) -> str:
    """Return the Message-ID, in angle brackets, of the row with these keys. It reveals neither worker nor person."""
    return f"<n{pk}.{digest_of(dedupe_key)}@{domain}>"


def read(message_id: str) -> MessageKeys | None:
    """Return the keys in a Message-ID of ours, with any domain; None if it is not one of ours."""
    found = _FORM.fullmatch(message_id.strip())
    return MessageKeys(int(found[1]), found[2]) if found else None
