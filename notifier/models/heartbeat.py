"""Heartbeat: when a periodic job last ran, so that its absence is noticed."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class Heartbeat(Base):
    """One row per periodic job of the scheduler."""

    __tablename__ = "notifier_heartbeats"

    #: tick, sweep, purge
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
