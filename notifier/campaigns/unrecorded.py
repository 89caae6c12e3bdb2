"""Emails that were sent but have no row, because the database was restored from an older backup (see restore)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.ledger import Added
from notifier.mail.message_ids import Ids
from notifier.models import Notification, Status, UnrecordedEmail

#: MACs in one statement.
CHUNK = 1000


def unrecorded_among(session: Session, macs: Sequence[str]) -> dict[str, str]:
    """Return the recorded Message-IDs among these macs, by mac."""
    found: dict[str, str] = {}
    for start in range(0, len(macs), CHUNK):
        query = select(UnrecordedEmail.mac, UnrecordedEmail.message_id)
        rows = session.execute(query.where(UnrecordedEmail.mac.in_(macs[start : start + CHUNK]))).all()
        found |= dict(rows)
    return found


def has_unrecorded(session: Session) -> bool:
    """Return whether any are recorded. A database that was never restored has none."""
    return session.scalar(select(UnrecordedEmail.mac).limit(1)) is not None


def settle_unrecorded(session: Session, run_id: int, made: Added, ids: Ids, *, after: int, now: datetime) -> Added:
    """Mark new rows of a run as sent if their email was sent before the restore. Return the rest.

    `after`: the newest key before the rows were made. No row may be sent before the caller commits.
    """
    fresh = (Notification.id > after, Notification.run_id == run_id, Notification.status == Status.pending)
    rows = session.execute(select(Notification.id, Notification.dedupe_key).where(*fresh)).all()
    macs = {mac: pk for pk, key in rows for mac in ids.macs(key)}
    noted = unrecorded_among(session, list(macs))
    gone = {macs[mac]: f"<{message_id}>" for mac, message_id in noted.items()}
    ledger.mark_sent(session, gone, now=now)
    return Added([pk for pk in made.due if pk not in gone], made.planned, made.excluded, made.fallbacks)
