"""Take each token of a provider once: its signature would fit any other event, too."""

from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.models import WebhookToken


def is_first(session: Session, token: str, now: datetime) -> bool:
    """Store a token. Return False if it was stored before. A concurrent transaction with the same token is waited for.

    The caller commits: a post whose events could not be stored may come again.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(WebhookToken).values(token=token, at=now).on_conflict_do_nothing().returning(WebhookToken.token)
    return session.scalars(statement).one_or_none() is not None
