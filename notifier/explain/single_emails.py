"""The single emails of a person, such as their verification email: what became of each, or will, and why."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.campaigns.explanations import ROW, Answer, Row, explain_row, reply_of
from notifier.models import Notification

#: The newest emails of one person that are explained.
NEWEST: Final = 100


def single_emails(session: Session, user_id: int, *, now: datetime | None = None, limit: int = NEWEST) -> list[Answer]:
    """Return one answer for each email to this user that no campaign sent, the newest `limit`, newest first.

    They are the same values as of campaigns (`explain.why`), with the kind of the email and no campaign.
    """
    now = now or clock.now()
    mine = (Notification.user_id == user_id, Notification.campaign_id.is_(None))
    query = select(*ROW, Notification.kind, Notification.created_at).where(*mine).order_by(Notification.id.desc())
    answers = []
    for *columns, kind, created_at in session.execute(query.limit(limit)):
        row = Row(*columns)
        found = explain_row(row, None, now)
        answers.append(
            Answer(
                campaign="",
                user_id=user_id,
                outcome=found.outcome,
                code=found.code,
                words=found.words,
                at=found.at,
                values={"mail": row.id, "queued": created_at},
                reply=reply_of(row),
                kind=kind,
                notification_id=row.id,
            )
        )
    return answers
