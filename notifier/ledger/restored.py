"""Correct rows after a restore from a backup: their emails were sent after the backup was made."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.ledger.rows import changed
from notifier.ledger.telling import AtRest, tell
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode, sentence

#: Statuses that may be outdated after a restore. All others are final and correct.
OPEN = (Status.pending, Status.sending, Status.unknown)

_REASON = ReasonCode.found_delivered


def mark_sent(session: Session, message_ids: Mapping[int, str], *, now: datetime) -> int:
    """Mark these open rows as sent, by key, with the Message-ID (in angle brackets) that was accepted.

    This is a claim and its settlement in one, so a worker that held a row has lost it. Return how many. The caller
    commits.
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
    tell(session, [AtRest(pk, Status.sent, _REASON.value) for pk in keys], now=now)
    return len(keys)


def enqueue_soon(session: Session, *, now: datetime, limit: int) -> int:
    """Let the sweep enqueue waiting rows as soon as they are due, `limit` at most. Return how many.

    Messages to the broker from before the restore, or from the time when sending was on hold, are lost. The caller
    commits.
    """
    due = case((Notification.next_attempt_at > now, Notification.next_attempt_at), else_=now)
    put_off = Notification.status == Status.pending, Notification.enqueue_at > due
    chosen = select(Notification.id).where(*put_off).limit(limit)
    return changed(session, update(Notification).where(Notification.id.in_(chosen), *put_off).values(enqueue_at=due))
