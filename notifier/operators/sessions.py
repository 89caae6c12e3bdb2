"""Sessions of the admin, kept in the database so that signing out, or being disabled, takes effect everywhere."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from notifier.models import Operator, OperatorSession
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

#: Time without a request of a person after which a session ends (ASVS 7.3.1).
IDLE = timedelta(minutes=30)
#: Time after which a session ends in any case (ASVS 7.3.2).
ABSOLUTE = timedelta(hours=12)

#: Shortest time between two writes of `seen_at`, so that most page views need none.
TOUCH = timedelta(minutes=1)


def start(session: Session, operator: Operator, *, by: Actor, now: datetime, how: str) -> str:
    """Sign this operator in. Return the token for the cookie; the row keeps only its digest. The caller commits.

    `how` ("password", "password and code", "recovery code") is recorded in the audit log.
    """
    token = secrets.token_urlsafe(32)
    over = (OperatorSession.seen_at <= now - IDLE) | (OperatorSession.created_at <= now - ABSOLUTE)
    session.execute(delete(OperatorSession).where(OperatorSession.operator_id == operator.id, over))
    operator.signed_in_at = now
    session.add(
        OperatorSession(operator_id=operator.id, token_hash=digest(token), ip=by.ip, created_at=now, seen_at=now)
    )
    audit_log.record(
        session, by, "operator.signed_in", object_type="operator", object_id=operator.id, after={"how": how}
    )
    session.flush()
    return token


def resume(session: Session, token: str, *, now: datetime) -> tuple[Operator, bool] | None:
    """Return the operator of this session and whether to touch it; None if the session has ended."""
    row = session.execute(
        select(Operator, OperatorSession)
        .join(OperatorSession, OperatorSession.operator_id == Operator.id)
        .where(
            OperatorSession.token_hash == digest(token),
            OperatorSession.seen_at > now - IDLE,
            OperatorSession.created_at > now - ABSOLUTE,
            Operator.active.is_(True),
        )
    ).one_or_none()
    if row is None:
        return None
    operator, own = row
    return operator, own.seen_at <= now - TOUCH


def owner(session: Session, token: str) -> int | None:
    """Return the key of the operator whose session this is or was, as long as its row is kept."""
    return session.scalar(select(OperatorSession.operator_id).where(OperatorSession.token_hash == digest(token)))


def touch(session: Session, token: str, *, now: datetime) -> None:
    """Count this as a request of a person. The caller commits."""
    # Not through the object: two requests at once write the same row, and neither must fail.
    statement = update(OperatorSession).where(OperatorSession.token_hash == digest(token)).values(seen_at=now)
    session.execute(statement.execution_options(synchronize_session=False))


def end(session: Session, token: str, *, by: Actor) -> None:
    """Sign out: the cookie and all copies of it are invalid from now on. The caller commits."""
    session.execute(delete(OperatorSession).where(OperatorSession.token_hash == digest(token)))
    audit_log.record(session, by, "operator.signed_out", object_type="operator", object_id=by.operator_id or "")


def end_all(session: Session, operator_id: int, *, keep: str | None = None) -> None:
    """End every session of this operator, except that of the token `keep`. The caller commits."""
    statement = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    if keep is not None:
        statement = statement.where(OperatorSession.token_hash != digest(keep))
    session.execute(statement)


def digest(token: str) -> str:
    """Return the digest that a row keeps of a token with enough random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
