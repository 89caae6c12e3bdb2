"""Who must not be mailed: asked by address, right before sending."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.models import Suppression, SuppressionReason


def find(session: Session, identity_key: str) -> Suppression | None:
    """The suppression of this address, or None where it may be mailed."""
    return session.scalars(select(Suppression).where(Suppression.identity_key == identity_key)).one_or_none()


def add(session: Session, identity_key: str, *, reason: SuppressionReason, source: str, evidence: str) -> bool:
    """Suppress this address; False where it already is (the first reason stays). The caller commits."""
    try:
        with session.begin_nested():
            session.add(Suppression(identity_key=identity_key, reason=reason.value, source=source, evidence=evidence))
    except IntegrityError:
        return False
    return True
