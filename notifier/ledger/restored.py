"""Rows whose emails went out although this database does not know it: it was restored from a backup since."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.ledger.rows import changed
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode, sentence

#: Statuses from which such a row comes. All others are at rest, and right.
OPEN = (Status.pending, Status.sending, Status.unknown)

_REASON = ReasonCode.found_delivered


def take_as_sent(session: Session, message_ids: Mapping[int, str], *, now: datetime) -> int:
    """Bring these open rows to rest as sent, by key, with the Message-ID (angle brackets) that was accepted.

    It is a claim and its end in one: a worker that held a row has lost it. Returns how many; the caller commits.
    """
    waiting = among(session, Notification.id, list(message_ids)), Notification.status.in_(OPEN)
    keys = session.scalars(select(Notification.id).where(*waiting).with_for_update()).all()
    if not keys:
        return 0
    statement = (
        update(Notification.__table__)  # type: ignore[arg-type]  # FromClause; it is a Table
        .where(Notification.__table__.c.id == bindparam("b_id"))
        .values(
            status=Status.sent.value,
            claims=Notification.__table__.c.claims + 1,
            attempts=Notification.__table__.c.attempts + 1,
            reason_code=_REASON.value,
            reason=sentence(_REASON),
            message_id=bindparam("b_message_id"),
            lease_until=None,
            claimed_by=None,
            sent_at=now,
            settled_at=now,
        )
    )
    session.connection().execute(statement, [{"b_id": pk, "b_message_id": message_ids[pk]} for pk in keys])
    return len(keys)


def enqueue_soon(session: Session, *, now: datetime, limit: int) -> int:
    """Let the sweep ring as soon as they are due for waiting rows, `limit` at most, whose bell was put off.

    Hints that went out before the restore, or while it was on hold, are lost. Returns how many; the caller commits.
    """
    due = case((Notification.next_attempt_at > now, Notification.next_attempt_at), else_=now)
    put_off = Notification.status == Status.pending, Notification.ring_at > due
    chosen = select(Notification.id).where(*put_off).limit(limit)
    return changed(session, update(Notification).where(Notification.id.in_(chosen), *put_off).values(ring_at=due))
