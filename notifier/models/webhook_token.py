"""WebhookToken: posts of providers that were taken, for providers whose signature does not cover the event."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class WebhookToken(Base):
    """One row for each post, kept for a day: a signature that was seen once works for no other event."""

    __tablename__ = "notifier_webhook_tokens"
    __table_args__ = (Index("ix_notifier_webhook_tokens_at", "at"),)

    #: Digest of the provider and its token.
    token: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
