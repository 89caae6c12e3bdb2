"""Suppression: an address to which nothing may be sent, with the reason."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime


class SuppressionReason(enum.StrEnum):
    """The reason why an address is suppressed."""

    hard_bounce = "hard_bounce"
    complaint = "complaint"
    #: A series of bounces that all said that the mailbox takes no email for now. It ends by itself.
    soft_bounces = "soft_bounces"
    manual = "manual"
    #: The owner of the mailbox said that they did not sign up. It ends by itself.
    not_me = "not_me"


class Suppression(Base):
    """A suppressed address. It belongs to no account, because it must outlive the account."""

    __tablename__ = "notifier_suppressions"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: As in User.identity_key.
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    reason: Mapped[str] = mapped_column(String(32))
    #: smtp, operator, recipient, or the source of the feedback: email, or a provider.
    source: Mapped[str] = mapped_column(String(32))
    #: The reply or report that caused it.
    evidence: Mapped[str] = mapped_column(String(500), default="")
    #: The reply of the remote server that decided, and the rules that judged it (`bounces.reasons.RULES`).
    code: Mapped[int | None] = mapped_column(Integer)
    enhanced: Mapped[str | None] = mapped_column(String(16))
    reply: Mapped[str | None] = mapped_column(String(500))
    rule_version: Mapped[int | None] = mapped_column(Integer)
    #: The Feedback that decided. Not a foreign key, because this row outlives it.
    feedback_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When it ends by itself; None: never.
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The fingerprint of the "This wasn't me" link that made it, by which it can be undone.
    link: Mapped[str | None] = mapped_column(String(32), unique=True)
