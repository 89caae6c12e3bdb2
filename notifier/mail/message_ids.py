"""Message-IDs: the same in every try of a row, made of its keys, and readable again (RFC 5322 3.6.4)."""

import hashlib
import re
from typing import NamedTuple

_FORM = re.compile(r"<?n(\d{1,19})\.([0-9a-f]{16})@[A-Za-z0-9.-]+>?")


class MessageKeys(NamedTuple):
    """What a Message-ID says of its row."""

    pk: int
    #: Of the dedupe key: the same for another row that was owed for the same reason.
    digest: str


def digest_of(dedupe_key: str) -> str:
    """Sixteen hexadecimal digits of a dedupe key."""
    return hashlib.sha256(dedupe_key.encode()).hexdigest()[:16]


def make(pk: int, dedupe_key: str, domain: str) -> str:
    """The Message-ID of the row with these keys, with angle brackets. It says nothing about worker or person."""
    return f"<n{pk}.{digest_of(dedupe_key)}@{domain}>"


def read(message_id: str) -> MessageKeys | None:
    """The keys in a Message-ID of ours, whatever the domain was then; None where it is not one."""
    found = _FORM.fullmatch(message_id.strip())
    return MessageKeys(int(found[1]), found[2]) if found else None
