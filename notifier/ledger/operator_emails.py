"""Add emails to operators, who have no account here."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from notifier.ledger.claims import Recipient
from notifier.mail.addresses import identity_of
from notifier.models import Notification


def add_to_operator(
    session: Session,
    *,
    kind: str,
    recipient: str,
    dedupe_key: str,
    now: datetime,
    grace: timedelta,
    deadline: datetime,
    params: dict[str, Any],
) -> Notification:
    """Add the row of an email to an operator's address. The kind must be one that goes `to_operators`.

    Raise IntegrityError at flush for a second row with the same `dedupe_key`. The caller commits.
    """
    notification = Notification(
        kind=kind,
        recipient=recipient,
        dedupe_key=dedupe_key,
        params=params,
        created_at=now,
        next_attempt_at=now,
        enqueue_at=now + grace,
        deadline=deadline,
    )
    session.add(notification)
    return notification


def operator_at(address: str) -> Recipient:
    """Return what an email to an operator may use of its recipient: nothing but the address."""
    return Recipient(0, identity_of(address), "", "en", "UTC", None, "")
