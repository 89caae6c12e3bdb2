"""API keys: `nk_<id>_<secret>`, of which only a digest is stored. The caller commits.

The key is looked up by its id, and its secret compared in constant time. A principal may have several keys that work at
once, so that a program can change from one to the next.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from notifier import clock
from notifier.models import ApiKey
from notifier.operators import audit_log, scopes
from notifier.operators.audit_log import Actor

#: The application that embeds us, or whose API this is: its keys share the namespace of `Notifier.send`.
APPLICATION: Final = "application"

#: How precisely the last use is known: a write for each request would cost more than the request.
LAST_USED_STEP = timedelta(minutes=1)

_PREFIX: Final = "nk"
_KEY = re.compile(r"nk_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")
_PRINCIPAL = re.compile(r"[a-z][a-z0-9-]{0,31}")
#: Characters of a name.
NAME_LIMIT: Final = 64


class ApiKeyError(ValueError):
    """A key that cannot be made or found; the message says why."""

    def __init__(self, message: str, field: str = "") -> None:
        """Create one. `field`: the argument of `create` that is wrong."""
        super().__init__(message)
        self.field = field


class Made(NamedTuple):
    """A new key, and its text, which nothing can show again."""

    row: ApiKey
    text: str


def create(
    session: Session,
    *,
    name: str,
    wanted: Collection[str],
    kinds: Collection[str],
    by: Actor,
    principal: str = APPLICATION,
    expires_at: datetime | None = None,
) -> Made:
    """Make a key, with an audit entry.

    Args:
        session: The caller commits.
        name: What operators call it.
        wanted: Its scopes.
        kinds: The kinds of email that can be sent one by one, for `send:<kind>`.
        by: Who makes it.
        principal: For whom it acts; keys of one principal share their idempotency keys.
        expires_at: None: it works until it is revoked.

    Raise ApiKeyError for a name, a principal or a moment that cannot be used, and ScopeError for scopes.
    """
    name, now = name.strip(), clock.now()
    _check(name, principal, expires_at, now)
    secret = secrets.token_urlsafe(32)
    row = ApiKey(
        principal=principal,
        name=name,
        digest=_digest(secret),
        scopes=scopes.checked(wanted, kinds),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    facts = {"name": name, "principal": principal, "scopes": row.scopes, "expires_at": expires_at}
    audit_log.record(session, by, "api_key.created", object_type="api_key", object_id=row.id, after=facts)
    return Made(row, f"{_PREFIX}_{row.id}_{secret}")


def _check(name: str, principal: str, expires_at: datetime | None, now: datetime) -> None:
    if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise ApiKeyError(f"the name of a key has 1 to {NAME_LIMIT} printable characters", "name")
    if not _PRINCIPAL.fullmatch(principal):
        words = "a principal has 1 to 32 lower-case letters, digits and hyphens, and begins with a letter"
        raise ApiKeyError(words, "principal")
    if expires_at is not None and expires_at <= now:
        raise ApiKeyError("the key would have expired already", "expires_at")


def revoke(session: Session, pk: int, *, by: Actor) -> ApiKey:
    """End a key at once, with an audit entry; a revoked one stays as it is.

    Raise ApiKeyError if there is none.
    """
    row = session.get(ApiKey, pk, with_for_update=True)
    if row is None:
        raise ApiKeyError(f"there is no key {pk}")
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        facts = {"name": row.name, "principal": row.principal}
        audit_log.record(session, by, "api_key.revoked", object_type="api_key", object_id=pk, before=facts)
    return row


def everyone(session: Session) -> Sequence[ApiKey]:
    """Return all keys, by principal, the newest of each first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.principal, ApiKey.id.desc())).all()


class Known(NamedTuple):
    """What a request needs of its key: for a whole row, SQLAlchemy would take longer than the database."""

    id: int
    principal: str
    scopes: list[str]
    digest: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


#: Built once, because every request needs it.
_LOOK_UP: Final = select(*(getattr(ApiKey, name) for name in Known._fields)).where(ApiKey.id == bindparam("pk"))


def split(text: str) -> tuple[int, str] | None:
    """Return the id and the secret of a key; None: this text is none."""
    parts = _KEY.fullmatch(text)
    return None if parts is None else (int(parts[1]), parts[2])


def look_up(session: Session, pk: int) -> Known | None:
    """Return the key with this id, whether it works or not."""
    found = session.execute(_LOOK_UP, {"pk": pk}).one_or_none()
    return None if found is None else Known(*found)


def admits(row: Known | None, secret: str, now: datetime) -> bool:
    """Return whether this secret is that of the key, and the key works now."""
    # Compared also if there is no such key, so that the time does not tell which ids there are.
    same = hmac.compare_digest(_digest(secret), row.digest if row is not None else _digest(""))
    return same and row is not None and works(row, now)


def works(key: ApiKey | Known, now: datetime) -> bool:
    """Return whether the key is neither revoked nor expired at this moment."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def is_used_again(row: Known, now: datetime) -> bool:
    """Return whether the last use that is stored is too old."""
    return row.last_used_at is None or now - row.last_used_at >= LAST_USED_STEP


def note_use(session: Session, pk: int, now: datetime) -> None:
    """Store that the key was used, unless another request has just done so."""
    old = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - LAST_USED_STEP)
    used = update(ApiKey).where(ApiKey.id == pk, old).values(last_used_at=now)
    session.execute(used.execution_options(synchronize_session=False))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
