"""Keys for DKIM, in the forms in which people have them."""

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

FORMS = ("rsa-pkcs8", "rsa-pkcs1", "ed25519")


@cache
def pem(form: str, number: int = 1, bits: int = 1024) -> bytes:
    """The key `number` in a PEM form; 1024 bits are made in a moment."""
    key = Ed25519PrivateKey.generate() if form == "ed25519" else _rsa(number, bits)
    layout = PrivateFormat.TraditionalOpenSSL if form == "rsa-pkcs1" else PrivateFormat.PKCS8
    secret = BestAvailableEncryption(b"hush") if form == "encrypted" else NoEncryption()
    return key.private_bytes(Encoding.PEM, layout, secret)


@cache
def _rsa(number: int, bits: int):  # type: ignore[no-untyped-def]
    return generate_private_key(65537, bits)


def key_file(folder: Path, form: str = "rsa-pkcs8", number: int = 1, bits: int = 1024) -> Path:
    """A file with that key."""
    path = folder / f"{form}-{number}-{bits}.pem"
    path.write_bytes(pem(form, number, bits))
    return path
