"""Sign and read the tokens of links: verification, "this wasn't me", unsubscribe, preferences.

Tokens are those of itsdangerous' URL-safe timed serializer, with SHA-256 named explicitly (its default is SHA-1), one
salt per purpose, so that a token serves only its own, and a list of keys: the last one signs, all of them verify. One
exception: the token of an unsubscribe link, whose page leads to the preferences, opens those itself, too. The time
comes from notifier.clock. The caller passes the time of issue, so that a retried email has the very same link.
itsdangerous reads tokens; they are signed here, in a tenth of its time, because an email may have two links.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, int_to_bytes

from notifier import clock

#: A token from this far in the future is still valid, because the clocks of two hosts may differ.
MAX_SKEW = timedelta(minutes=5)
_VERIFICATION, _UNSUBSCRIBE, _PREFERENCES, _NOT_ME = "verify-email", "unsubscribe", "preferences", "not-me"
_MAX_LENGTH = 2048
#: payload . timestamp . signature of 32 bytes
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{1,11}\.[A-Za-z0-9_-]{43}", re.ASCII)
#: The 43rd character of a 32-byte value has two unused bits; a token with other bits is not one that we issued.
_CANONICAL_ENDS = frozenset("AEIMQUYcgkosw048")
#: Encodes JSON as itsdangerous does.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class BadToken(Exception):
    """The token is not ours, or it is for another purpose."""


class ExpiredToken(BadToken):
    """The token is genuine but too old."""


@dataclass(frozen=True, slots=True)
class VerificationClaim:
    """The content of a verification or "this wasn't me" token: user, digest of address and nonce, time of issue."""

    user_id: int
    fingerprint: str
    issued_at: datetime

    def matches(self, nonce: str, identity_key: str) -> bool:
        """Return, in constant time, whether the token was issued for this nonce and address."""
        return hmac.compare_digest(self.fingerprint, fingerprint(nonce, identity_key))


@dataclass(frozen=True, slots=True)
class ConsentClaim:
    """The content of an unsubscribe or preferences token: the user, a digest of the address, and the email."""

    user_id: int
    fingerprint: str
    #: Empty in a preferences token, which is for all categories.
    category: str
    #: The email with the link; None if the link was in no email.
    notification_id: int | None
    issued_at: datetime

    def matches(self, identity_key: str) -> bool:
        """Return, in constant time, whether the token was issued for this address."""
        return hmac.compare_digest(self.fingerprint, fingerprint("", identity_key))


def fingerprint(nonce: str, identity_key: str) -> str:
    """Return 128 bits of SHA-256 over nonce and address, URL-safe: it binds a token without revealing either."""
    digest = hashlib.sha256(f"{len(nonce)}:{nonce}:{identity_key}".encode()).digest()
    return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


class Signer:
    """Issue and read tokens. `keys` go from oldest to newest.

    The same arguments always give the same token.
    """

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = list(keys)
        #: For each purpose, keyed and ready to be copied.
        self._macs: dict[str, hmac.HMAC] = {}

    def issue_verification(self, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the token of a verification link."""
        return self.issue(_VERIFICATION, [user_id, fingerprint(nonce, identity_key)], issued_at)

    def read_verification(self, token: str, max_age: timedelta | float) -> VerificationClaim:
        """Read a verification token. The caller checks `matches(nonce, identity_key)` of the user.

        `max_age` is in seconds or a timedelta. Raise ExpiredToken, or BadToken for any other fault.
        """
        return self._read_account(_VERIFICATION, token, max_age)

    def issue_not_me(self, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the token of a "this wasn't me" link."""
        return self.issue(_NOT_ME, [user_id, fingerprint(nonce, identity_key)], issued_at)

    def read_not_me(self, token: str) -> VerificationClaim:
        """Read a "this wasn't me" token. It never expires, because it can only end an unconfirmed account.

        Raise BadToken for any fault.
        """
        return self._read_account(_NOT_ME, token, None)

    def _read_account(self, purpose: str, token: str, max_age: timedelta | float | None) -> VerificationClaim:
        payload, issued_at = self._read(purpose, token, max_age)
        match payload:
            case [int(user_id), str(digest)]:
                return VerificationClaim(user_id, digest, issued_at)
        raise BadToken("not a token of an account")

    def issue_unsubscribe(
        self, user_id: int, identity_key: str, category: str, notification_id: int | None, issued_at: datetime
    ) -> str:
        """Return the token of an unsubscribe link.

        It is bound to the address and not to the account's nonce: a new nonce voids verification links, but a person
        must still be able to unsubscribe with an old email.
        """
        return self.issue(_UNSUBSCRIBE, [user_id, fingerprint("", identity_key), category, notification_id], issued_at)

    def issue_preferences(
        self, user_id: int, identity_key: str, notification_id: int | None, issued_at: datetime
    ) -> str:
        """Return the token of a preferences link; it is bound to the address, as in `issue_unsubscribe`."""
        return self.issue(_PREFERENCES, [user_id, fingerprint("", identity_key), "", notification_id], issued_at)

    def read_unsubscribe(self, token: str) -> ConsentClaim:
        """Read an unsubscribe token, which never expires. The caller checks `matches(identity_key)` of the user.

        If that does not match, the user had another address then.

        Raise BadToken for any fault.
        """
        return self._read_consent(_UNSUBSCRIBE, token)

    def read_preferences(self, token: str) -> ConsentClaim:
        """Read a preferences token, or the token that the links of an email share; see `read_unsubscribe`."""
        try:
            return self._read_consent(_PREFERENCES, token)
        except BadToken:
            return self._read_consent(_UNSUBSCRIBE, token)

    def _read_consent(self, purpose: str, token: str) -> ConsentClaim:
        payload, issued_at = self._read(purpose, token, None)
        match payload:
            case [int(user_id), str(digest), str(category), int() | None as notification_id]:
                return ConsentClaim(user_id, digest, category, notification_id, issued_at)
        raise BadToken("not a token of consent")

    def issue(self, purpose: str, payload: Any, issued_at: datetime | None = None) -> str:
        """Return a token for any purpose. `payload` is any JSON value; `issued_at` is the present moment by default.

        Pass `issued_at` for a link in an email, because a retried email must have the same link.
        """
        moment = clock.now() if issued_at is None else issued_at
        if moment.tzinfo is None:
            raise ValueError("issued_at must be aware")
        timestamp = base64_encode(int_to_bytes(int(moment.timestamp())))
        value = b"%s.%s" % (base64_encode(_compact(payload).encode()), timestamp)
        mac = self._mac(purpose).copy()
        mac.update(value)
        return (b"%s.%s" % (value, base64_encode(mac.digest()))).decode()

    def read(self, purpose: str, token: str, max_age: timedelta | float | None = None) -> Any:
        """Return the payload of a token of this purpose. Without `max_age` it never expires.

        Raise ExpiredToken, or BadToken for any other fault.
        """
        return self._read(purpose, token, max_age)[0]

    def _mac(self, purpose: str) -> hmac.HMAC:
        mac = self._macs.get(purpose)
        if mac is None:
            key = self._serializer(purpose).make_signer(_salt(purpose)).derive_key()
            mac = self._macs[purpose] = hmac.new(key, digestmod="sha256")
        return mac

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            list(self._keys),
            salt=_salt(purpose),
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def _read(self, purpose: str, token: str, max_age: timedelta | float | None) -> tuple[Any, datetime]:
        if len(token) > _MAX_LENGTH or not _SHAPE.fullmatch(token) or token[-1] not in _CANONICAL_ENDS:
            raise BadToken("not a token")
        try:
            payload, issued_at = self._serializer(purpose).loads(token, return_timestamp=True)
        except (BadData, OverflowError, OSError, ValueError) as error:
            raise BadToken("bad signature") from error
        issued_at = issued_at.astimezone(UTC)
        if max_age is not None:
            _check_age(issued_at, max_age)
        return payload, issued_at


def _salt(purpose: str) -> bytes:
    return f"notifier.{purpose}".encode()


def _check_age(issued_at: datetime, max_age: timedelta | float) -> None:
    limit = max_age if isinstance(max_age, timedelta) else timedelta(seconds=max_age)
    age = clock.now() - issued_at
    if age > limit:
        raise ExpiredToken("the token has expired")
    if age < -MAX_SKEW:
        raise BadToken("the token is from the future")
