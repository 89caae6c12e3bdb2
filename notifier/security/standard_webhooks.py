"""Standard Webhooks (https://www.standardwebhooks.com, version 1): sign and verify with HMAC-SHA256.

The signature covers `id.timestamp.body`. The header holds several, separated by spaces, each `v1,` and base64.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

#: Seconds that a message may be old, or ahead of our clock.
TOLERANCE_SECONDS = 300
#: Begins a secret; the rest is base64.
PREFIX = "whsec_"
#: Bytes of a secret (the specification's own limits).
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
#: Signatures in one header that are looked at.
_MAX_SIGNATURES = 20
#: The names of the headers, and those that Svix gave them before there was a standard.
_NAMES = ("webhook-", "svix-")


class BadWebhook(ValueError):
    """The message is not from an owner of the secret, or not from now. The text never quotes it."""


def secret_bytes(secret: str) -> bytes:
    """Return the key in `whsec_…`. Raise ValueError if it is not base64, or too short or too long."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret of Standard Webhooks is base64 after whsec_") from None
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError(f"a secret of Standard Webhooks has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message, as its header has it. `timestamp`: seconds since 1970."""
    return f"v1,{_signature(secret_bytes(secret), message_id, str(timestamp), body)}"


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Return the id of a message that was signed with one of `secrets`. Raise BadWebhook.

    `headers`: by name in lower case.
    """
    prefix = next((each for each in _NAMES if headers.get(f"{each}signature")), _NAMES[0])
    message_id, timestamp, header = (headers.get(f"{prefix}{name}", "") for name in ("id", "timestamp", "signature"))
    if not message_id or "." in message_id or not message_id.isprintable():
        raise BadWebhook("the id is missing or has another form")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        raise BadWebhook("the timestamp is missing or no number")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadWebhook("the timestamp is too old, or in the future")
    given = [each[3:] for each in header.split(" ")[:_MAX_SIGNATURES] if each.startswith("v1,")]
    expected = [_signature(secret_bytes(secret), message_id, timestamp, body) for secret in secrets]
    pairs = [(one.encode("utf-8", "replace"), two.encode()) for one in given for two in expected]
    # Every pair is compared, so the time does not tell which secret fits.
    if not sum(hmac.compare_digest(one, two) for one, two in pairs):
        raise BadWebhook("the signature is missing or wrong")
    return message_id


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
