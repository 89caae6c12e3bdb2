"""Preference: the emails that a user wants. Consent: the evidence. DigestMark: the end of the last digest."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime


class Frequency(enum.StrEnum):
    """The frequency of a user's digest."""

    never = "never"
    immediate = "immediate"
    daily = "daily"
    weekly = "weekly"
    monthly = "monthly"


class Preference(Base):
    """One row per category that a user has decided on; without one the default applies."""

    __tablename__ = "notifier_preferences"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"), primary_key=True)
    #: report, digest, news: an emails.Category that may be refused.
    category: Mapped[str] = mapped_column(String(16), primary_key=True)
    wanted: Mapped[bool] = mapped_column(Boolean)
    #: Set for the digest only.
    frequency: Mapped[str | None] = mapped_column(String(16))
    #: When it was switched on again. None if it was never off, or is off now.
    wanted_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class Consent(Base):
    """The evidence of one decision: user, category, choice, time, way, and the email that led to it. Never changed."""

    __tablename__ = "notifier_consents"
    __table_args__ = (Index("ix_notifier_consents_user_id_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"))
    category: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[bool] = mapped_column(Boolean)
    frequency: Mapped[str | None] = mapped_column(String(16))
    #: one_click, page, undo, operator, complaint
    how: Mapped[str] = mapped_column(String(16))
    #: The email whose link was used. Not a foreign key, because this row outlives the ledger row.
    notification_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class DigestMark(Base):
    """The moment up to which digests cover a user's activities, so that the windows neither overlap nor leave gaps."""

    __tablename__ = "notifier_digest_marks"

    campaign_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("notifier_campaigns.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"), primary_key=True)
    #: The exclusive end of the last window.
    until: Mapped[datetime] = mapped_column(UtcDateTime)
