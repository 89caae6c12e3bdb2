"""Keyed digests: name a person or a network without saying which, so that the same text is found again."""

import hashlib
import hmac


def keyed_digest(purpose: str, key: str, text: str) -> str:
    """Return the HMAC-SHA-256 of `text` in hexadecimal (64 characters).

    `purpose` keeps digests for different uses apart: with the same `key`, one of SECRET_KEYS, equal texts differ.
    """
    return hmac.new(f"{purpose}\0{key}".encode(), text.encode(), hashlib.sha256).hexdigest()
