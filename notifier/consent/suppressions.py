"""Suppress addresses to which no email may be sent; sending asks by address, right before each email.

Of an erased address only a keyed digest is kept. It becomes the plain address again if the same address signs up
again, so that a person who complained gets no email because of a new account.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.models import Suppression, SuppressionReason
from notifier.security.digests import keyed_digest

#: Begins the replacement of an erased address; no address begins with it.
CONCEALED = "erased:"


def find(session: Session, identity_key: str) -> Suppression | None:
    """Return the suppression of this address, or None."""
    return session.scalars(select(Suppression).where(Suppression.identity_key == identity_key)).one_or_none()


def lift(session: Session, suppression: Suppression) -> None:
    """Delete a suppression, so that its address can get email again. The caller commits and adds to the audit log."""
    session.delete(suppression)
    session.flush()


def conceal(session: Session, identity_key: str, keys: Sequence[str]) -> None:
    """Replace the address of its suppression, if there is one, by a digest. The caller commits."""
    found = find(session, identity_key)
    if found is not None:
        found.identity_key = _concealed(identity_key, keys[-1])
        found.evidence = ""
        session.flush()


def reveal(session: Session, identity_key: str, keys: Sequence[str]) -> None:
    """Restore the address of a concealed suppression, because the address is back. The caller commits.

    `keys` are ordered as in SECRET_KEYS.
    """
    digests = [_concealed(identity_key, key) for key in keys]
    if not digests:
        return
    found = session.scalars(select(Suppression).where(Suppression.identity_key.in_(digests)).limit(1)).first()
    if found is not None and find(session, identity_key) is None:
        found.identity_key = identity_key
        session.flush()


def _concealed(identity_key: str, key: str) -> str:
    return CONCEALED + keyed_digest("notifier.suppression", key, identity_key)


def end(session: Session, identity_key: str, now: datetime) -> None:
    """Delete the suppression of this address if it has expired; the purge does so for all. The caller commits."""
    over = delete(Suppression).where(Suppression.identity_key == identity_key, Suppression.until <= now)
    session.execute(over.execution_options(synchronize_session=False))


def of_link(session: Session, link: str) -> Suppression | None:
    """Return the suppression that the link with this fingerprint made, or None."""
    return session.scalars(select(Suppression).where(Suppression.link == link)).one_or_none()


def add(
    session: Session,
    identity_key: str,
    *,
    reason: SuppressionReason,
    source: str,
    evidence: str,
    until: datetime | None = None,
    link: str | None = None,
) -> bool:
    """Suppress this address. Return False if it already is; the first reason stays. The caller commits.

    `until` is when the suppression ends by itself. `link` is the fingerprint of the link that made it, by which it can
    be undone. A suppression without `until` replaces one that would end by itself.
    """
    new = Suppression(
        identity_key=identity_key, reason=reason.value, source=source, evidence=evidence, until=until, link=link
    )
    try:
        with session.begin_nested():
            session.add(new)
    except IntegrityError:
        return until is None and _made_lasting(session, new)
    return True


def _made_lasting(session: Session, new: Suppression) -> bool:
    """Replace a suppression that would end by itself by the new one. Return False if there is none."""
    passing = update(Suppression).where(Suppression.identity_key == new.identity_key, Suppression.until.is_not(None))
    values = {"reason": new.reason, "source": new.source, "evidence": new.evidence, "until": None, "link": None}
    result = session.execute(passing.values(values).execution_options(synchronize_session="fetch"))
    return bool(cast("CursorResult[Any]", result).rowcount)
