"""Small secrets that must be read again are kept sealed: a copy of the database alone does not open them."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealError(ValueError):
    """The text was sealed with a key that is no longer known, or was changed."""


class Sealer:
    """Seals with the newest key, opens with any. `keys` go from oldest to newest, as in SECRET_KEYS."""

    def __init__(self, keys: list[str]) -> None:
        """Each key gives a key of its own for this purpose: a seal is no signature of a link."""
        derived = (hashlib.sha256(b"notifier.sealing\0" + key.encode()).digest() for key in reversed(keys))
        self._box = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])

    def seal(self, text: str) -> str:
        """A text that says nothing."""
        return self._box.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """What was sealed. Raises SealError."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealError("this cannot be opened with the keys of SECRET_KEYS") from error
