"""Emails that were sent but have no row, because the database was restored from an older backup (see restore)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.ledger import Added
from notifier.mail import message_ids
from notifier.models import Notification, Status, UnrecordedEmail

#: Digests in one statement.
CHUNK = 1000


def unrecorded_among(session: Session, digests: Sequence[str]) -> dict[str, str]:
    """Return the recorded Message-IDs among these digests, by digest."""
    found: dict[str, str] = {}
    for start in range(0, len(digests), CHUNK):
        query = select(UnrecordedEmail.digest, UnrecordedEmail.message_id)
        rows = session.execute(query.where(UnrecordedEmail.digest.in_(digests[start : start + CHUNK]))).all()
        found |= dict(rows)
    return found


def has_unrecorded(session: Session) -> bool:
    """Return whether any are recorded. A database that was never restored has none."""
    return session.scalar(select(UnrecordedEmail.digest).limit(1)) is not None


def settle_unrecorded(session: Session, run_id: int, made: Added, *, after: int, now: datetime) -> Added:
    """Mark new rows of a run as sent if their email was sent before the restore. Return the rest.

    `after`: the newest key before the rows were made. No row may be sent before the caller commits.
    """
    fresh = (Notification.id > after, Notification.run_id == run_id, Notification.status == Status.pending)
    rows = session.execute(select(Notification.id, Notification.dedupe_key).where(*fresh)).all()
    digests = {message_ids.digest_of(key): pk for pk, key in rows}
    noted = unrecorded_among(session, list(digests))
    gone = {digests[digest]: f"<{message_id}>" for digest, message_id in noted.items()}
    ledger.mark_sent(session, gone, now=now)
    return Added([pk for pk in made.due if pk not in gone], made.planned, made.excluded, made.fallbacks)
