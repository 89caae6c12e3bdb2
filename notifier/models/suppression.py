"""Suppression: an address that we must not mail, with the reason."""

import enum
from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.extensions import Base
from notifier.models.types import BigId, UtcDateTime


class SuppressionReason(enum.StrEnum):
    """Why an address is suppressed."""

    hard_bounce = "hard_bounce"
    complaint = "complaint"
    manual = "manual"


class Suppression(Base):
    """Kept by address, not by account: it must outlive both."""

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: As in User.identity_key.
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    reason: Mapped[str] = mapped_column(String(32))
    #: smtp, report, webhook, operator
    source: Mapped[str] = mapped_column(String(32))
    #: The reply or report that it rests on.
    evidence: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
