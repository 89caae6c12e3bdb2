"""Sessions of the admin: kept in the database, so that whoever signs out, or is disabled, is out everywhere."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from notifier.models import Operator, OperatorSession
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

#: Without a request of a person for so long, a session is over (ASVS 7.3.1).
IDLE = timedelta(minutes=30)
#: And in any case after so long (ASVS 7.3.2).
ABSOLUTE = timedelta(hours=12)

#: `seen_at` is written at most so often: a page view needs no write.
TOUCH = timedelta(minutes=1)


def start(session: Session, operator: Operator, *, by: Actor, now: datetime, how: str) -> str:
    """Sign this operator in. Returns the token for the cookie: the row keeps its digest only. The caller commits.

    `how` ("password", "password and code", "recovery code") goes into the audit log.
    """
    token = secrets.token_urlsafe(32)
    over = (OperatorSession.seen_at <= now - IDLE) | (OperatorSession.created_at <= now - ABSOLUTE)
    session.execute(delete(OperatorSession).where(OperatorSession.operator_id == operator.id, over))
    session.add(
        OperatorSession(operator_id=operator.id, token_hash=digest(token), ip=by.ip, created_at=now, seen_at=now)
    )
    audit_log.record(
        session, by, "operator.signed_in", object_type="operator", object_id=operator.id, after={"how": how}
    )
    session.flush()
    return token


def resume(session: Session, token: str, *, now: datetime) -> tuple[Operator, bool] | None:
    """The operator whose session this is, and whether it should be touched; None where there is none any more."""
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


def touch(session: Session, token: str, *, now: datetime) -> None:
    """Let this count as a request of a person. The caller commits."""
    # Not through the object: two requests at once write the same row, and neither must fail.
    statement = update(OperatorSession).where(OperatorSession.token_hash == digest(token)).values(seen_at=now)
    session.execute(statement.execution_options(synchronize_session=False))


def end(session: Session, token: str, *, by: Actor) -> None:
    """Sign out: the cookie is worth nothing from now on, wherever a copy of it is. The caller commits."""
    session.execute(delete(OperatorSession).where(OperatorSession.token_hash == digest(token)))
    audit_log.record(session, by, "operator.signed_out", object_type="operator", object_id=by.operator_id or "")


def end_all(session: Session, operator_id: int, *, keep: str | None = None) -> None:
    """End every session of this operator, but for that of the token `keep`. The caller commits."""
    statement = delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    if keep is not None:
        statement = statement.where(OperatorSession.token_hash != digest(keep))
    session.execute(statement)


def digest(token: str) -> str:
    """What a row keeps of a token that has enough random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
