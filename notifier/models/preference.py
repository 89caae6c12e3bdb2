"""Preference: what a user wants to get. Consent: how we know. DigestMark: up to where a user was told."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.models.types import BigId, UtcDateTime


class Frequency(enum.StrEnum):
    """How often a user wants a digest."""

    never = "never"
    immediate = "immediate"
    daily = "daily"
    weekly = "weekly"
    monthly = "monthly"


class Preference(Base):
    """One row for each category that a user has decided on; none means that the default holds."""

    __tablename__ = "notifier_preferences"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"), primary_key=True)
    #: report, digest, news: an emails.Category that may be refused.
    category: Mapped[str] = mapped_column(String(16), primary_key=True)
    wanted: Mapped[bool] = mapped_column(Boolean)
    #: Of the digest only.
    frequency: Mapped[str | None] = mapped_column(String(16))
    #: When it was switched on again. None: it never was off, or it is.
    wanted_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class Consent(Base):
    """The evidence: who decided what, when, how, and which mail led there. Never changed."""

    __tablename__ = "notifier_consents"
    __table_args__ = (Index("ix_notifier_consents_user_id_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"))
    category: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[bool] = mapped_column(Boolean)
    frequency: Mapped[str | None] = mapped_column(String(16))
    #: one_click, page, undo, operator
    how: Mapped[str] = mapped_column(String(16))
    #: The mail whose link was used; the ledger may forget it, this row does not.
    notification_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class DigestMark(Base):
    """Up to which moment a user's activities are in digests: the windows of a user tile time."""

    __tablename__ = "notifier_digest_marks"

    campaign_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("notifier_campaigns.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"), primary_key=True)
    #: The end of the last window, not in it.
    until: Mapped[datetime] = mapped_column(UtcDateTime)
