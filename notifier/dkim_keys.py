"""Keys of DKIM: the private one in a PEM file, the public one in a TXT record (RFC 6376 3.6.1, RFC 8463)."""

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dkim.asn1 import ASN1FormatError
from dkim.crypto import UnparsableKeyError, parse_pem_private_key, parse_public_key
from dkim.util import InvalidTagValueList, parse_tag_value
from nacl.signing import SigningKey

#: Bits. RFC 8301 3.2: verifiers refuse fewer than 1024, signers should use 2048 or more.
MIN_RSA, GOOD_RSA = 1024, 2048

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\n(.+?)\n-----END \1-----", re.DOTALL)
#: What stands before the 32 octets of an Ed25519 key in its PKCS #8 form (RFC 8410, section 7).
_ED25519_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
#: AlgorithmIdentifier of rsaEncryption (RFC 3279 2.3.1).
_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
#: Everything that the parsers raise for something that is no key.
_RUBBISH = (UnparsableKeyError, ASN1FormatError, ValueError, IndexError, TypeError, KeyError, AssertionError)


class KeyProblem(ValueError):
    """Something that should be a key is not one that can be used. The text holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Two that are equal verify the same signatures, however they are written."""

    kind: str
    #: RSA: modulus and exponent. Ed25519: the 32 octets as one number.
    numbers: tuple[int, ...]

    @property
    def bits(self) -> int:
        """The size: the modulus of RSA, 256 for Ed25519."""
        return self.numbers[0].bit_length() if self.kind == "rsa" else 256

    @property
    def record(self) -> str:
        """The TXT record to publish at `<selector>._domainkey.<domain>`."""
        data = _rsa_der(*self.numbers) if self.kind == "rsa" else self.numbers[0].to_bytes(32, "big")
        return f"v=DKIM1; k={self.kind}; p={b64encode(data).decode()}"

    @classmethod
    def from_record(cls, text: str) -> Self:
        """The key in a TXT record. Raises KeyProblem where there is none that can be used for mail."""
        try:
            tags = {name.decode(): value.decode() for name, value in parse_tag_value(text.encode()).items()}
        except (InvalidTagValueList, UnicodeError):
            raise KeyProblem("is not a list of tags such as v=DKIM1; k=rsa; p=...") from None
        kind = tags.get("k", "rsa")
        if tags.get("v", "DKIM1") != "DKIM1" or kind not in {"rsa", "ed25519"}:
            raise KeyProblem(f"has a version or a kind of key that nobody knows (v={tags.get('v')}, k={kind})")
        if "p" not in tags:
            raise KeyProblem("has no p= with the key")
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
                raise KeyProblem("has a p= that is not 32 octets long, as Ed25519 has it")
        except KeyProblem:
            raise
        except _RUBBISH:
            raise KeyProblem("has a p= that is not a key: was it cut when it was published?") from None
        return cls("ed25519", (int.from_bytes(data, "big"),))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key. `material` is what dkimpy takes: PEM for RSA, base64 of the seed for Ed25519."""

    public: PublicKey
    material: bytes = field(repr=False)

    @property
    def algorithm(self) -> bytes:
        """The a= of its signatures."""
        return f"{self.public.kind}-sha256".encode()


def load_private_key(path: Path) -> PrivateKey:
    """The key in a PEM file: RSA (PKCS #1 or PKCS #8) or Ed25519 (PKCS #8). Raises KeyProblem."""
    try:
        text = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read: {error.strerror}") from None
    pem = _PEM.search(text)
    if pem is None:
        raise KeyProblem(f"{path} holds no private key in PEM form")
    label, body = pem.groups()
    if b"ENCRYPTED" in text:
        raise KeyProblem(f"{path} is encrypted; the service starts without anybody who could type its password")
    if b"PRIVATE KEY" not in label:
        raise KeyProblem(f"{path} holds something else than a private key: {label.decode().lower()}")
    try:
        key = _private_key(b64decode(body), pem.group())
    except (*_RUBBISH, binascii.Error):
        raise KeyProblem(f"{path} holds no RSA or Ed25519 key that can be read") from None
    if key.public.bits < (MIN_RSA if key.public.kind == "rsa" else 0):
        raise KeyProblem(f"{path} holds an RSA key of {key.public.bits} bits; receivers ignore fewer than {MIN_RSA}")
    return key


def _private_key(der: bytes, pem: bytes) -> PrivateKey:
    if der.startswith(_ED25519_PREFIX):
        seed = der.removeprefix(_ED25519_PREFIX)
        public = int.from_bytes(bytes(SigningKey(seed).verify_key), "big")
        return PrivateKey(PublicKey("ed25519", (public,)), b64encode(seed))
    numbers: Any = parse_pem_private_key(pem)
    return PrivateKey(PublicKey("rsa", (numbers["modulus"], numbers["publicExponent"])), pem)


def _rsa_der(modulus: int, exponent: int) -> bytes:
    """SubjectPublicKeyInfo (RFC 5280 4.1), the form that every verifier reads."""
    key = _der(0x30, _integer(modulus) + _integer(exponent))
    return _der(0x30, _RSA_ALGORITHM + _der(0x03, b"\0" + key))


def _integer(number: int) -> bytes:
    # One octet more where the first bit is set: DER's integers have a sign.
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
