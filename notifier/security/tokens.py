"""Signed links: verification, "this wasn't me", unsubscribe, preferences.

itsdangerous' URL-safe timed serializer with SHA-256 named explicitly (its default is SHA-1), one salt
for each purpose so that a token for one door opens no other, and a list of keys: the last one signs,
all of them verify. Time comes from notifier.clock; when a token was issued is given, so that a
retried mail carries the very same link. itsdangerous reads; what it would have signed is signed here in a
tenth of the time, because a mail may carry two links.
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

#: Clocks of two hosts may differ: a token from so far in the future is still good.
MAX_SKEW = timedelta(minutes=5)
_VERIFICATION, _UNSUBSCRIBE, _PREFERENCES, _NOT_ME = "verify-email", "unsubscribe", "preferences", "not-me"
_MAX_LENGTH = 2048
#: payload . timestamp . signature of 32 bytes
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{1,11}\.[A-Za-z0-9_-]{43}", re.ASCII)
#: The 43rd character of a 32-byte value has two unused bits; other spellings are not the token we issued.
_CANONICAL_ENDS = frozenset("AEIMQUYcgkosw048")
#: As itsdangerous writes JSON.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class BadToken(Exception):
    """Not a token of ours, or one for another purpose."""


class ExpiredToken(BadToken):
    """A genuine token whose time is over."""


@dataclass(frozen=True, slots=True)
class VerificationClaim:
    """What the token of a verification or a "this wasn't me" link says: who, which address and nonce (as a digest),
    and since when.
    """

    user_id: int
    fingerprint: str
    issued_at: datetime

    def matches(self, nonce: str, identity_key: str) -> bool:
        """True where the token was issued for this nonce and address. Takes constant time."""
        return hmac.compare_digest(self.fingerprint, fingerprint(nonce, identity_key))


@dataclass(frozen=True, slots=True)
class ConsentClaim:
    """What an unsubscribe or preferences token says: who, which address (as a digest), and from which mail."""

    user_id: int
    fingerprint: str
    #: Empty in a preferences token, which is for all of them.
    category: str
    #: None where no mail led there.
    notification_id: int | None
    issued_at: datetime

    def matches(self, identity_key: str) -> bool:
        """True where the token was issued for this address. Takes constant time."""
        return hmac.compare_digest(self.fingerprint, fingerprint("", identity_key))


def fingerprint(nonce: str, identity_key: str) -> str:
    """128 bits of SHA-256 over nonce and address, URL-safe: binds a token without showing either."""
    digest = hashlib.sha256(f"{len(nonce)}:{nonce}:{identity_key}".encode()).digest()
    return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


class Signer:
    """Issues and reads tokens. `keys` go from oldest to newest."""

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._keys = list(keys)
        #: For each purpose, keyed and ready to be copied.
        self._macs: dict[str, hmac.HMAC] = {}

    def issue_verification(self, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """The token of a verification link. The same arguments give the same token."""
        return self.issue(_VERIFICATION, [user_id, fingerprint(nonce, identity_key)], issued_at)

    def read_verification(self, token: str, max_age: timedelta | float) -> VerificationClaim:
        """What the token says; compare it with `claim.matches(nonce, identity_key)` of the user.

        `max_age` in seconds or as a timedelta. Raises ExpiredToken, or BadToken for anything else.
        """
        return self._read_account(_VERIFICATION, token, max_age)

    def issue_not_me(self, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the token of a "this wasn't me" link. The same arguments give the same token."""
        return self.issue(_NOT_ME, [user_id, fingerprint(nonce, identity_key)], issued_at)

    def read_not_me(self, token: str) -> VerificationClaim:
        """Return what the token says; it never expires, because it can end an unconfirmed account and nothing else.

        Raise BadToken for anything else.
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
        """The token of an unsubscribe link. The same arguments give the same token.

        Bound to the address and not to the account's nonce: a new nonce voids verification links, but whoever
        finds an old mail must still be able to unsubscribe by it.
        """
        return self.issue(_UNSUBSCRIBE, [user_id, fingerprint("", identity_key), category, notification_id], issued_at)

    def issue_preferences(
        self, user_id: int, identity_key: str, notification_id: int | None, issued_at: datetime
    ) -> str:
        """The token of a link to the preferences; bound as that of an unsubscribe link is."""
        return self.issue(_PREFERENCES, [user_id, fingerprint("", identity_key), "", notification_id], issued_at)

    def read_unsubscribe(self, token: str) -> ConsentClaim:
        """What the token says; it never expires. Compare it with `claim.matches(identity_key)` of the user.

        Raises BadToken for anything else.
        """
        return self._read_consent(_UNSUBSCRIBE, token)

    def read_preferences(self, token: str) -> ConsentClaim:
        """As `read_unsubscribe`, for a link to the preferences."""
        return self._read_consent(_PREFERENCES, token)

    def _read_consent(self, purpose: str, token: str) -> ConsentClaim:
        payload, issued_at = self._read(purpose, token, None)
        match payload:
            case [int(user_id), str(digest), str(category), int() | None as notification_id]:
                return ConsentClaim(user_id, digest, category, notification_id, issued_at)
        raise BadToken("not a token of consent")

    def issue(self, purpose: str, payload: Any, issued_at: datetime | None = None) -> str:
        """A token for any purpose. `payload` is whatever JSON can hold; `issued_at` is now when not given.

        Give `issued_at` for a link in a mail: a retried mail must carry the same link.
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
        """The payload of a token of this purpose. Without `max_age` it never expires.

        Raises ExpiredToken, or BadToken for anything else.
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
