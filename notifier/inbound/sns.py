"""Amazon SNS: prove that a message is of one of our topics, by the certificate of AWS (signature version 2, SHA-256).

Version 1 is SHA-1, so it is refused, although it is what a topic uses until its SignatureVersion is set to 2.
"""

import base64
import binascii
import re
import threading
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from notifier.inbound.fetching import Fetch
from notifier.inbound.payload import Object
from notifier.inbound.refusals import NotProven, TryLater, Unreadable

#: Seconds that a message may be old: SNS tries for an hour at most. And ahead of our clock.
OLDEST_SECONDS, NEWEST_SECONDS = 75 * 60, 300
#: Certificates that are kept, each for its own time; there are a few for each region. Fetches in one minute: the name
#: of a certificate is checked by its form alone, so a stranger could ask for many.
MAX_CERTIFICATES, KEEP_SECONDS, MAX_FETCHES = 32, 86400, 6

_CERTIFICATE = re.compile(r"https://sns\.([a-z0-9-]{5,40})\.amazonaws\.com/[A-Za-z0-9_-]{1,100}\.pem")
_SUBSCRIBE = re.compile(r"https://sns\.([a-z0-9-]{5,40})\.amazonaws\.com/\?[!-~]{1,2000}")

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION, "SubscriptionConfirmation": _CONFIRMATION, "UnsubscribeConfirmation": _CONFIRMATION,
}  # fmt: skip


class Sns:
    """The topics of one installation, and the certificates that proved their messages."""

    def __init__(self, topics: Sequence[str], fetch: Fetch) -> None:
        """Take messages of `topics` (ARNs) alone; `fetch` gets certificates and confirms subscriptions."""
        self._regions = {topic: topic.split(":")[3] for topic in topics}
        self._fetch = fetch
        self._keys: dict[str, tuple[datetime, RSAPublicKey]] = {}
        self._fetched: list[datetime] = []
        self._lock = threading.Lock()

    def check(self, message: Object, now: datetime) -> None:
        """Check the proof of a message. Raise NotProven or TryLater."""
        region = self._regions.get(_text(message, "TopicArn"))
        if region is None:
            raise NotProven("the topic is not one of INBOUND_SES_TOPICS")
        if message.get("SignatureVersion") != "2":
            raise NotProven("the signature version is not 2: set SignatureVersion of the topic")
        found = _CERTIFICATE.fullmatch(_text(message, "SigningCertURL"))
        if found is None or found[1] != region:
            raise NotProven("the certificate is not at AWS in the topic's region")
        signed = _signed_text(message)
        try:
            signature = base64.b64decode(_text(message, "Signature"), validate=True)
        except (binascii.Error, ValueError):
            raise NotProven("the signature is not base64") from None
        _check_age(_text(message, "Timestamp"), now)
        try:
            self._key(found[0], now).verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise NotProven("the signature is wrong") from None

    def confirm(self, message: Object) -> bool:
        """Confirm the subscription that a proven message asks for. Return False if its URL is not one of AWS.

        Raise TryLater.
        """
        found = _SUBSCRIBE.fullmatch(_text(message, "SubscribeURL"))
        if found is None or found[1] != self._regions[_text(message, "TopicArn")]:
            return False
        self._fetch(found[0])
        return True

    def _key(self, url: str, now: datetime) -> RSAPublicKey:
        kept = self._keys.get(url)
        if kept and (now - kept[0]).total_seconds() < KEEP_SECONDS:
            return kept[1]
        self._count_fetch(now)
        key = _public_key(self._fetch(url), now)
        with self._lock:
            while len(self._keys) >= MAX_CERTIFICATES:
                del self._keys[next(iter(self._keys))]
            self._keys[url] = (now, key)
        return key

    def _count_fetch(self, now: datetime) -> None:
        with self._lock:
            self._fetched = [each for each in self._fetched if 0 <= (now - each).total_seconds() < 60]
            if len(self._fetched) >= MAX_FETCHES:
                raise TryLater("too many certificates were asked for in this minute")
            self._fetched.append(now)


def _text(message: Object, name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


def _signed_text(message: Object) -> bytes:
    """Return the text that SNS signs: names and values, each on a line. Raise Unreadable or NotProven."""
    names = _SIGNED.get(_text(message, "Type"))
    if names is None:
        raise Unreadable("SNS has no message of this type")
    present = [name for name in names if name in message]
    if set(names) - {"Subject"} - set(present) or not all(isinstance(message[name], str) for name in present):
        raise NotProven("a signed field is missing")
    try:
        return "".join(f"{name}\n{message[name]}\n" for name in present).encode()
    except UnicodeEncodeError:
        raise NotProven("a signed field is not UTF-8") from None


def _check_age(written: str, now: datetime) -> None:
    try:
        age = (now - datetime.fromisoformat(written)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        raise NotProven("the timestamp is missing or unreadable") from None
    if not -NEWEST_SECONDS <= age <= OLDEST_SECONDS:
        raise NotProven("the timestamp is too old, or in the future")


def _public_key(pem: bytes, now: datetime) -> RSAPublicKey:
    """Return the key of a certificate that is valid now. Raise NotProven."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except ValueError:
        raise NotProven("the certificate is unreadable") from None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotProven("the certificate is not valid now")
    if not isinstance(key, RSAPublicKey):
        raise NotProven("the certificate has another kind of key")
    return key
