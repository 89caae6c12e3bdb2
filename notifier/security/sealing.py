"""Encrypt small secrets that must be readable again, so that a copy of the database alone does not reveal them."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealError(ValueError):
    """The text was sealed with a key that is no longer known, or it was changed."""


class Sealer:
    """Seal with the newest key, and open with any. `keys` go from oldest to newest, as in SECRET_KEYS."""

    def __init__(self, keys: list[str]) -> None:
        """Derive a separate key for this purpose from each of `keys`, so that a seal never passes for a signed link."""
        derived = (hashlib.sha256(b"notifier.sealing\0" + key.encode()).digest() for key in reversed(keys))
        self._box = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])

    def seal(self, text: str) -> str:
        """Encrypt `text`. Return URL-safe ASCII."""
        return self._box.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text that was sealed. Raise SealError."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealError("this cannot be opened with the keys of SECRET_KEYS") from error
