"""Proofs of providers: a secret in the Authorization header, an HMAC, an ECDSA signature. All take several keys.

With several keys at once a key is replaced without a gap: add the new one here, then at the provider, then remove the
old one. Every comparison takes the same time wherever two texts differ.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from notifier.inbound.refusals import NotProven


def check_authorization(header: str, secrets: Iterable[str]) -> None:
    """Check for `Bearer SECRET`, or for `Basic` with any user name and a secret as password (RFC 6750, RFC 7617).

    Raise NotProven.
    """
    scheme, _, value = header.strip().partition(" ")
    given = _password(value) if scheme.lower() == "basic" else value.strip() if scheme.lower() == "bearer" else ""
    if not any_equal(given, secrets):
        raise NotProven("the Authorization header is missing or wrong")


def _password(value: str) -> str:
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def any_equal(given: str, expected: Iterable[str]) -> bool:
    """Return whether one of `expected` is `given`. All are compared, so the time does not tell which one fits."""
    return sum(hmac.compare_digest(given.encode("utf-8", "replace"), each.encode()) for each in expected) > 0


def check_age(written: str, now: datetime, *, oldest: float, newest: float = 300.0) -> None:
    """Check a timestamp in seconds since 1970: not more than `oldest` seconds ago nor `newest` ahead.

    Raise NotProven.
    """
    if not (written.isascii() and written.isdigit() and len(written) < 12):
        raise NotProven("the timestamp is missing or no number")
    age = now.timestamp() - int(written)
    if not -newest <= age <= oldest:
        raise NotProven("the timestamp is too old, or in the future")


def check_mailgun(timestamp: str, token: str, signature: str, keys: Sequence[str]) -> None:
    """Check Mailgun's HMAC-SHA256 over timestamp and token, in hexadecimal. Raise NotProven."""
    signed = f"{timestamp}{token}".encode("utf-8", "replace")
    expected = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys]
    if not token or not any_equal(signature, expected):
        raise NotProven("the signature is missing or wrong")


def check_ecdsa(signed: bytes, signature: str, keys: Sequence[EllipticCurvePublicKey]) -> None:
    """Check an ECDSA signature with SHA-256, base64 of DER. Raise NotProven."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven("the signature is not base64") from None
    for key in keys:
        try:
            key.verify(raw, signed, ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return
    raise NotProven("the signature is missing or wrong")
