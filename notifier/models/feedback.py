"""Feedback: what came back about an email: a bounce, a complaint, a delivery, an automatic reply."""

import enum
from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime


class Effect(enum.StrEnum):
    """What followed from feedback."""

    #: The address is suppressed.
    suppressed = "suppressed"
    #: The recipient gets no email of any campaign any more.
    complained = "complained"
    #: Nothing new: the address was suppressed already, as strongly.
    known = "known"
    #: It counts in the series of soft bounces of the address.
    scored = "scored"
    #: It concerns us, so it counts for the recipient's provider.
    counted = "counted"
    #: No email of ours is proven: an operator decides.
    waiting = "waiting"
    #: It waited for an operator, until there were too many newer ones. Its row is kept so that it does not come again.
    dropped = "dropped"
    none = "none"


#: The condition of a partial index for the operators' tray: a query must repeat it exactly to use the index.
IN_TRAY = "effect = 'waiting'"

#: The condition of another one, for what waits and what has waited.
UNASSIGNED = "effect IN ('waiting', 'dropped')"

#: The condition of another one, for what came back badly: behind a provider's webhook most events are deliveries.
CAME_BACK = "kind IN ('bounce', 'complaint')"


class Feedback(Base):
    """One event about one email. The same event of the same source has one row, however often it comes."""

    __tablename__ = "notifier_feedback"
    __table_args__ = (
        UniqueConstraint("source", "event_id"),
        Index("ix_notifier_feedback_notification_id", "notification_id"),
        # The series of one address.
        Index(
            "ix_notifier_feedback_identity_key_id",
            "identity_key",
            "id",
            postgresql_where=text("identity_key IS NOT NULL"),
            sqlite_where=text("identity_key IS NOT NULL"),
        ),
        # The operators' tray.
        Index("ix_notifier_feedback_waiting", "id", postgresql_where=text(IN_TRAY), sqlite_where=text(IN_TRAY)),
        # Its bounds, by source.
        Index(
            "ix_notifier_feedback_unassigned",
            "source",
            "id",
            postgresql_where=text(UNASSIGNED),
            sqlite_where=text(UNASSIGNED),
        ),
        # Reports about us, by provider.
        Index("ix_notifier_feedback_provider_received_at", "provider", "received_at"),
        # Recent bounces and complaints, for the rates.
        Index(
            "ix_notifier_feedback_came_back",
            "received_at",
            postgresql_where=text(CAME_BACK),
            sqlite_where=text(CAME_BACK),
        ),
        # For the purge.
        Index("ix_notifier_feedback_received_at", "received_at"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: `email`, or the provider whose webhook told it.
    source: Mapped[str] = mapped_column(String(16))
    #: The source's own id of the event; of an email that came back its digest.
    event_id: Mapped[str] = mapped_column(String(255))
    #: bounce, complaint, delivered, auto_reply, other
    kind: Mapped[str] = mapped_column(String(16))
    #: hard, soft, none
    verdict: Mapped[str] = mapped_column(String(8))
    #: A member of `bounces.reasons.Reason`.
    reason: Mapped[str | None] = mapped_column(String(32))
    code: Mapped[int | None] = mapped_column(Integer)
    enhanced: Mapped[str | None] = mapped_column(String(16))
    #: The reply of the remote server, without addresses.
    text: Mapped[str | None] = mapped_column(String(500))
    #: `bounces.reasons.RULES` when it was judged.
    rule_version: Mapped[int] = mapped_column(Integer)
    #: The email; None while it waits for an operator.
    notification_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("notifier_notifications.id", ondelete="SET NULL")
    )
    #: How the email was found: verp, message_id, notifier_id, server_id, operator; none
    matched_by: Mapped[str] = mapped_column(String(16))
    #: Whether it had a MAC of ours.
    proven: Mapped[bool] = mapped_column(Boolean)
    #: Whose address it was, as in User.identity_key; an erasure deletes it.
    identity_key: Mapped[str | None] = mapped_column(String(400))
    #: The address that it names, only while it waits for an operator.
    recipient: Mapped[str | None] = mapped_column(String(320))
    #: The name of the recipient's mailbox provider, or their domain if it has none that is known.
    provider: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: A name of Effect.
    effect: Mapped[str] = mapped_column(String(24))
