"""Preference: the emails that a user wants. Consent: the evidence. DigestMark: the end of the last digest."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime

#: The condition of a partial index.
_HAS_ADDRESS = "identity_key IS NOT NULL"


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
    """The evidence of one decision: user, category, choice, time, way, and the email that led to it.

    Never changed, except that an erasure takes the address away.
    """

    __tablename__ = "notifier_consents"
    __table_args__ = (
        Index("ix_notifier_consents_user_id_id", "user_id", "id"),
        # What was decided about an address by all people who have or had it.
        Index(
            "ix_notifier_consents_identity_key",
            "identity_key",
            "id",
            postgresql_where=text(_HAS_ADDRESS),
            sqlite_where=text(_HAS_ADDRESS),
        ),
        CheckConstraint("user_id IS NOT NULL OR identity_key IS NOT NULL", name="whose"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: None: an address of which an import said so, and that no person here had then.
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"))
    #: The address that the person had, as in User.identity_key. None: it was erased meanwhile, or they had none.
    identity_key: Mapped[str | None] = mapped_column(String(400))
    #: One that may be refused; or `confirmed`, for an address that was confirmed elsewhere.
    category: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[bool] = mapped_column(Boolean)
    frequency: Mapped[str | None] = mapped_column(String(16))
    #: one_click, page, undo, operator, complaint, import, application
    how: Mapped[str] = mapped_column(String(16))
    #: The email whose link was used. Not a foreign key, because this row outlives the ledger row.
    notification_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Why, in the words of the person who imported it; or where it was decided, in those of the application.
    basis: Mapped[str | None] = mapped_column(String(500))
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
