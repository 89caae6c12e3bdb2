"""Load DKIM keys: private ones from a PEM file, public ones from a TXT record (RFC 6376 3.6.1, RFC 8463)."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from dkim.asn1 import ASN1FormatError
from dkim.crypto import UnparsableKeyError, parse_public_key
from dkim.util import InvalidTagValueList, parse_tag_value

#: Bits. RFC 8301 3.2: verifiers refuse fewer than 1024, signers should use 2048 or more.
MIN_RSA, GOOD_RSA = 1024, 2048

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,60})-----\n((?:[^-]++|-(?!----))++)(?<=\n)-----END \1-----")
#: All errors that dkimpy's parser raises for invalid keys.
_RUBBISH = (UnparsableKeyError, ASN1FormatError, ValueError, IndexError, TypeError, KeyError, AssertionError)


class KeyProblem(ValueError):
    """The key is missing or not usable. The message contains no part of the key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Equal keys verify the same signatures, even if their records are written differently."""

    kind: str
    #: For RSA, modulus and exponent; for Ed25519, the 32 octets as one number.
    numbers: tuple[int, ...]

    @property
    def bits(self) -> int:
        """Return the size in bits: of the modulus for RSA, 256 for Ed25519."""
        return self.numbers[0].bit_length() if self.kind == "rsa" else 256

    @property
    def record(self) -> str:
        """Return the TXT record to publish at `<selector>._domainkey.<domain>`."""
        data = self._der() if self.kind == "rsa" else self.numbers[0].to_bytes(32, "big")
        return f"v=DKIM1; k={self.kind}; p={b64encode(data).decode()}"

    def _der(self) -> bytes:
        """Return the SubjectPublicKeyInfo (RFC 5280 4.1), which every verifier reads."""
        modulus, exponent = self.numbers
        return (
            RSAPublicNumbers(exponent, modulus)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    @classmethod
    def from_record(cls, text: str) -> Self:
        """Parse the key in a TXT record. Raise KeyProblem if it has no key that is usable for email."""
        try:
            tags = {name.decode(): value.decode() for name, value in parse_tag_value(text.encode()).items()}
        except (InvalidTagValueList, UnicodeError):
            raise KeyProblem("is not a list of tags such as v=DKIM1; k=rsa; p=...") from None
        kind = tags.get("k", "rsa")
        if tags.get("v", "DKIM1") != "DKIM1" or kind not in {"rsa", "ed25519"}:
            raise KeyProblem(f"has an unknown version or kind of key (v={tags.get('v')}, k={kind})")
        if "p" not in tags:
            raise KeyProblem("has no p= tag, which contains the key")
        if not tags["p"]:
            raise KeyProblem("has an empty p=: the key was revoked")
        return cls._from_der(kind, "".join(tags["p"].split()))

    @classmethod
    def _from_der(cls, kind: str, encoded: str) -> Self:
        try:
            data = b64decode(encoded, validate=True)
            if kind == "rsa":
                numbers: Any = parse_public_key(data)
                return cls("rsa", (numbers["modulus"], numbers["publicExponent"]))
            if len(data) != 32:
                raise KeyProblem("has a p= that is not 32 octets long, as Ed25519 requires")
        except KeyProblem:
            raise
        except _RUBBISH:
            raise KeyProblem("has a p= that is not a key: was it cut when it was published?") from None
        return cls("ed25519", (int.from_bytes(data, "big"),))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A checked private key, held by OpenSSL. Threads may share it; it cannot be extracted or pickled."""

    public: PublicKey
    _secret: RSAPrivateKey | Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def algorithm(self) -> bytes:
        """Return the a= tag of its signatures."""
        return f"{self.public.kind}-sha256".encode()

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest for the b= tag: RFC 8017 8.2 for RSA; Ed25519 signs the digest itself (RFC 8463 3)."""
        if isinstance(self._secret, RSAPrivateKey):
            return self._secret.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self._secret.sign(digest)


def load_private_key(path: Path) -> PrivateKey:
    """Load the key in a PEM file: RSA (PKCS #1 or PKCS #8) or Ed25519 (PKCS #8). Raise KeyProblem."""
    try:
        text = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read: {error.strerror}") from None
    pem = _PEM.search(text)
    if pem is None:
        raise KeyProblem(f"{path} holds no private key in PEM form")
    label = pem[1]
    if b"ENCRYPTED" in text:
        raise KeyProblem(f"{path} is encrypted: notifier cannot ask for its password at start-up, so decrypt it")
    if b"PRIVATE KEY" not in label:
        raise KeyProblem(f"{path} does not contain a private key but: {label.decode().lower()}")
    try:
        secret = load_pem_private_key(pem[0], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        secret = None
    if not isinstance(secret, RSAPrivateKey | Ed25519PrivateKey):
        raise KeyProblem(f"{path} holds no RSA or Ed25519 key that can be read")
    key = PrivateKey(_public(secret), secret)
    if key.public.bits < (MIN_RSA if key.public.kind == "rsa" else 0):
        raise KeyProblem(f"{path} holds an RSA key of {key.public.bits} bits; receivers ignore fewer than {MIN_RSA}")
    return key


def _public(secret: RSAPrivateKey | Ed25519PrivateKey) -> PublicKey:
    if isinstance(secret, RSAPrivateKey):
        numbers = secret.public_key().public_numbers()
        return PublicKey("rsa", (numbers.n, numbers.e))
    return PublicKey("ed25519", (int.from_bytes(secret.public_key().public_bytes_raw(), "big"),))
