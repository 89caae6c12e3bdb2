"""Incident: something that is wrong, and what operators were told about it."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class Incident(Base):
    """One row while a cause is wrong, and a little longer; `notifier alerts watch` writes and deletes it."""

    __tablename__ = "notifier_incidents"

    #: The key of the cause (`observability/causes.py`).
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: The name of its check, which may fail for another cause later.
    check: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(400))
    #: A heading of the runbook.
    anchor: Mapped[str] = mapped_column(String(120))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Since when it is well again.
    well_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Until when one process alone tells operators.
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When operators were told.
    alerted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
