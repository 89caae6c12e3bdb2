"""The id of an email: `pk.mac`, the same in every attempt. Bounces and complaints are matched by it alone.

It is part of the Message-ID (RFC 5322 3.6.4) and of the return path, and a header of its own, because providers
replace Message-IDs. Its MAC is made with one of SECRET_KEYS from the dedupe key, which is unique and never leaves the
system. So those who know the id of one email cannot compute that of another: a forged bounce names no row.

The primary key is no part of the MAC: a row that was lost with a database is recognised by the dedupe key of the row
that takes its place (see `explain/restore.py`).
"""

import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

#: The name of the header that has the id alone.
HEADER = "X-Notifier-Id"

#: The largest primary key that a database can hold.
MAX_KEY = 2**63 - 1

_ID = r"(\d{1,19})\.([a-z2-7]{16})"
_FORM = re.compile(rf"\s*(?:<?n{_ID}@[A-Za-z0-9.-]+>?|{_ID})\s*", re.ASCII | re.IGNORECASE)


class NotifierId(NamedTuple):
    """The id of an email as a text names it. It proves nothing before `Ids.proves`."""

    pk: int
    #: 80 bits in lower-case base32. Another row for the same reason has the same ones.
    mac: str


class Ids:
    """Make and check ids with SECRET_KEYS."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Sign with the last of `keys`; check with all of them."""
        self._keys = {key_name(key): key.encode() for key in keys}
        #: The names of the keys, oldest to newest. A row keeps the name of the key that signs its id.
        self.names = tuple(self._keys)

    def make(self, pk: int, dedupe_key: str, key: str | None = None) -> str:
        """Return the id of the row with these keys, signed with the key of the name `key`.

        Without a name, or if SECRET_KEYS no longer has that key, the newest one signs.
        """
        secret = self._keys.get(key or "") or self._keys[self.names[-1]]
        return f"{pk}.{_mac(secret, dedupe_key)}"

    def macs(self, dedupe_key: str) -> list[str]:
        """Return the MACs that the email of this dedupe key may have: one for each key."""
        return [_mac(secret, dedupe_key) for secret in self._keys.values()]

    def proves(
        self, found: NotifierId, *, pk: int, dedupe_key: str, key: str | None, message_id: str | None = None
    ) -> bool:
        """Return whether `found` is the id of the row with these values.

        `key` and `message_id` are what the row has stored, if anything. The stored Message-ID counts too, so ids that
        were signed with a key that is no longer in SECRET_KEYS prove their email for as long as its row is kept.
        """
        if found.pk != pk:
            return False
        secret = self._keys.get(key or "")
        signed = secret is not None and hmac.compare_digest(found.mac, _mac(secret, dedupe_key))
        stored = read(message_id or "")
        return signed or (stored is not None and stored.pk == pk and hmac.compare_digest(found.mac, stored.mac))


def message_id(notifier_id: str, domain: str) -> str:
    """Return the Message-ID, in angle brackets, of the email with this id. It reveals neither worker nor person."""
    return f"<n{notifier_id}@{domain}>"


def read(text: str) -> NotifierId | None:
    """Return the id in a Message-ID of ours, with any domain, or in the header; None if it has another form.

    Letter case is ignored, because some servers change it.
    """
    found = _FORM.fullmatch(text)
    if found is None or int(found[1] or found[3]) > MAX_KEY:
        return None
    return NotifierId(int(found[1] or found[3]), (found[2] or found[4]).lower())


def key_name(key: str) -> str:
    """Return 8 characters that name one of SECRET_KEYS and do not reveal it."""
    return _base32(hmac.digest(key.encode(), b"notifier.id.key", "sha256"), 8)


def _mac(secret: bytes, dedupe_key: str) -> str:
    return _base32(hmac.digest(secret, b"notifier.id\0" + dedupe_key.encode(), "sha256"), 16)


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TEN_BITS = [first + second for first in _LETTERS for second in _LETTERS]


def _base32(digest: bytes, length: int) -> str:
    """Return the first `length` (even) characters of a digest in lower-case base32, which every server accepts."""
    bits = int.from_bytes(digest[:10])
    # The standard library's b32encode takes ten times as long.
    return "".join([_TEN_BITS[bits >> shift & 1023] for shift in range(70, 70 - 5 * length, -10)])
