"""WebhookState: when the webhook of a provider was last taken and last refused, so that operators see a wrong key."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class WebhookState(Base):
    """One row per provider, written at most once in a few seconds by each process (`inbound/sightings.py`)."""

    __tablename__ = "notifier_webhook_states"

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: The newest post whose proof was right.
    taken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The newest post that was refused; why; since when none was taken in between.
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str | None] = mapped_column(String(200))
    refused_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Refusals that were noted since then: at most one in a few seconds.
    refusals: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
