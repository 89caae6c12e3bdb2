"""DKIM signatures on outgoing mail (RFC 6376; RFC 8058, section 4, for the unsubscribe fields).

The library's Python does RSA in Python: about 11 ms for a mail with a key of 2048 bits, 1 ms with Ed25519
(docs/adr/0005-dkim-and-dns-libraries.md).
"""

from dataclasses import dataclass, field

from dkim import DKIMException
from dkim import sign as sign_with_library

from notifier.dkim_keys import PrivateKey

#: Once more than they occur, so that an added second field breaks the signature (RFC 6376 5.4.2, 8.15).
OVERSIGNED = (b"from", b"subject", b"list-unsubscribe")
SIGNED = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"list-unsubscribe", b"list-unsubscribe-post"),
    *OVERSIGNED,
)


class SigningError(ValueError):
    """A mail that cannot be signed: its header block is none."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one domain with one key. Threads may share it.

    `domain` (A-labels) is what the signature speaks for; DMARC wants it aligned with the From address.
    To rotate keys: publish the new one under a new selector, then change selector and key together.
    """

    domain: str
    selector: str
    key: PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """The mail with its DKIM-Signature before it, folded at 72 octets. Not dot-stuffed, CRLF throughout.

        Raises SigningError where `data` does not begin with a header block.
        """
        try:
            signature: bytes = sign_with_library(
                data,
                self.selector.encode("ascii"),
                self.domain.encode("ascii"),
                self.key.material,
                canonicalize=(b"relaxed", b"relaxed"),
                signature_algorithm=self.key.algorithm,
                include_headers=SIGNED,
            )
        except DKIMException as error:
            raise SigningError(type(error).__name__) from error
        return signature + data
