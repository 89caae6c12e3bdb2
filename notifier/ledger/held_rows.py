"""Find rows that wait until a provider accepts our emails again, by the key of its hold and without a scan."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Update, func, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode

_N = Notification
#: A row that was sent or moved on keeps its hold key; only these reason codes mean that it still waits.
_CODES = (ReasonCode.provider_held.value, ReasonCode.provider_slowed.value)


def name_hold(session: Session, pks: Collection[int], key: str) -> int:
    """Store `key` in those of these rows that wait for a provider. Return how many. The caller commits."""
    statement = update(_N).where(among(session, _N.id, pks), _N.status == Status.pending, _N.reason_code.in_(_CODES))
    return _change(session, statement.values(hold_key=key))


def wake_held(session: Session, key: str, *, now: datetime, limit: int) -> int:
    """Make rows due that wait for the hold `key`, `limit` at most. Return how many. The caller commits."""
    waiting = (*_waiting(key), _N.next_attempt_at > now)
    statement = (
        update(_N)
        .where(_N.id.in_(select(_N.id).where(*waiting).limit(limit)), *waiting)
        .values(next_attempt_at=now, enqueue_at=now)
    )
    return _change(session, statement)


def count_held(session: Session, key: str, *, limit: int) -> int:
    """Count the rows that wait for the hold `key`, up to `limit`."""
    some = select(_N.id).where(*_waiting(key)).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _waiting(key: str) -> tuple[ColumnElement[bool], ...]:
    return _N.hold_key == key, _N.status == Status.pending, _N.reason_code.in_(_CODES)


def _change(session: Session, statement: Update) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount
