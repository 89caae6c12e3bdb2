"""Sign outgoing emails with DKIM (RFC 6376; RFC 8058, section 4, for the unsubscribe fields).

dkimpy parses, canonicalises and folds; OpenSSL signs. dkimpy's own sign() does RSA in Python and takes 13
times as long (docs/adr/0005-dkim-and-dns-libraries.md); tests verify that both give the same octets.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from dkim import DKIMException, fold, rfc822_parse
from dkim.canonicalization import Relaxed, Simple

from notifier.clock import now
from notifier.sender_auth.dkim_keys import PrivateKey

#: The fields that a person or a program acts on. Each is signed once more than it occurs, one that is missing too, so
#: that changing, removing or adding one breaks the signature (RFC 6376 5.4.2 and 8.15; RFC 8058, section 4; RFC 9477
#: 3.1.3). Not among them are fields that relays add on the way: Received, Return-Path, Resent-*, ARC-*.
SIGNED = (
    *(b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition", b"auto-submitted"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id", b"x-notifier-id"),
    *(b"cfbl-address", b"cfbl-feedback-id"),
)
_PLACES = {name: place for place, name in enumerate(SIGNED)}

#: Seconds until a signature expires. A mail server tries for up to 5 days (RFC 5321 4.5.4.1), and a recorded email
#: should not be replayed to others in our name for longer than necessary (RFC 6376 8.6).
EXPIRES_SECONDS = 7 * 86400


class SigningError(ValueError):
    """The email cannot be signed, because it does not begin with a header block."""


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Sign for one domain with one key. Threads may share an instance.

    `domain` (A-labels) is the signing domain; DMARC wants it aligned with the From address. To rotate keys, publish
    the new one under a new selector, then change selector and key together.
    """

    domain: str
    selector: str
    key: PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return the email with its DKIM-Signature, folded at 72 octets, in front of it.

        `data` has CRLF throughout and is not dot-stuffed. Raise SigningError if it does not begin with a header block.
        """
        # Pass only the header to the parser, because it would split and rejoin the lines of the body.
        head, _, body = data.partition(b"\r\n\r\n")
        try:
            fields, rest = rfc822_parse(head)
        except (DKIMException, IndexError) as error:
            raise SigningError(type(error).__name__) from error
        if rest or not fields:
            raise SigningError("no header block that ends in an empty line with CRLF")
        names, values = _covered(Relaxed.canonicalize_headers(fields))
        tags = self._tags(names, sha256(relaxed_body(body)).digest())
        # The signature's own field comes last, with an empty b= and without its line end (RFC 6376 3.7).
        covered = values + b"dkim-signature:" + tags
        value = tags + b64encode(self.key.sign(sha256(covered).digest())) + b"\r\n"
        # Folding after signing is safe: it only replaces spaces, which relaxed canonicalisation ignores, and splits b=.
        return b"DKIM-Signature: " + bytes(fold(value, namelen=len("DKIM-Signature"))) + data

    def _tags(self, names: bytes, body_hash: bytes) -> bytes:
        domain, selector, signed_at = self.domain.encode("ascii"), self.selector.encode("ascii"), int(now().timestamp())
        tags = (
            *(b"v=1", b"a=" + self.key.algorithm, b"c=relaxed/relaxed", b"d=" + domain, b"i=@" + domain, b"q=dns/txt"),
            *(b"s=" + selector, b"t=%d" % signed_at, b"x=%d" % (signed_at + EXPIRES_SECONDS), b"h=" + names),
            *(b"bh=" + b64encode(body_hash), b"b="),
        )
        return b"; ".join(tags)


def _covered(fields: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return the value of h= and the octets of the fields that it covers; `fields` are canonical, in their order.

    A field that occurs several times is covered from the last one up (RFC 6376 5.4.2).
    """
    found: list[list[bytes]] = [[] for _ in SIGNED]
    for name, value in fields:
        place = _PLACES.get(name)
        if place is not None:
            found[place].append(name + b":" + value)
    return _names(tuple(map(len, found))), b"".join([each for values in found for each in reversed(values)])


@lru_cache(maxsize=256)
def _names(counts: tuple[int, ...]) -> bytes:
    """Return the value of h= for fields of SIGNED that occur so many times; few combinations are ever sent."""
    return b" : ".join([name for name, count in zip(SIGNED, counts, strict=True) for _ in range(count + 1)])


def relaxed_body(body: bytes) -> bytes:
    """Canonicalise a body like dkimpy's Relaxed, whose regular expressions visit every space (0.6 ms for 8 kB)."""
    body = body.replace(b"\t", b" ")
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    ended: bytes = Simple.canonicalize_body(body.replace(b" \r\n", b"\r\n"))
    return b"" if ended == b"\r\n" else ended
