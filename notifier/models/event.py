"""Event and EventDraft: what happened, for other applications. Webhook endpoints, and what each of them was sent."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime


class EventDraft(Base):
    """Events as the transaction of their change writes them: one row, however many emails it settles.

    The publisher (`webhooks/publishing.py`) turns drafts into events and deletes them, as a rule within seconds.
    """

    __tablename__ = "notifier_event_drafts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: JSON: [[type, {facts}], …]. It is a text because it is written on the path of every email and read once.
    items: Mapped[str] = mapped_column(Text)


class Event(Base):
    """One event of the feed. Its id grows in the order in which events become visible; see `webhooks/publishing.py`."""

    __tablename__ = "notifier_events"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: Random: receivers tell repetitions by it, and a restored database gives an id twice.
    uid: Mapped[str] = mapped_column(String(32))
    #: An `events.EventType`.
    type: Mapped[str] = mapped_column(String(32))
    #: When it happened.
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Ids and codes; never an address.
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class WebhookEndpoint(Base):
    """An address of another application that gets events."""

    __tablename__ = "notifier_webhook_endpoints"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    #: The types that it wants, sorted.
    types: Mapped[list[str]] = mapped_column(JSON)
    #: Sealed with SECRET_KEYS. Both sign until `previous_until`.
    secret: Mapped[str] = mapped_column(String(400))
    previous_secret: Mapped[str | None] = mapped_column(String(400))
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: Since when it gets nothing, and why, for people.
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The first failure after the last success, and how many there were since.
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    #: The next call is enqueued at this moment at the earliest.
    next_call_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: Until when one worker calls it alone.
    busy_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryState(enum.StrEnum):
    """How far the delivery of one event to one endpoint is."""

    waiting = "waiting"
    delivered = "delivered"
    #: All tries failed.
    failed = "failed"


_STATE_LIST = ", ".join(f"'{state}'" for state in DeliveryState)
#: The condition of the partial index: a query must repeat it exactly to use the index.
UNDELIVERED = "state = 'waiting'"


class WebhookDelivery(Base):
    """One event for one endpoint, once."""

    __tablename__ = "notifier_webhook_deliveries"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATE_LIST})", name="state"),
        # For the worker: what is due, the earliest first. Deliveries that ended add nothing to this index.
        Index(
            "ix_notifier_webhook_deliveries_waiting",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text(UNDELIVERED),
            sqlite_where=text(UNDELIVERED),
        ),
    )

    #: The key is also the order of the lists: the newest events of one endpoint.
    endpoint_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("notifier_webhook_endpoints.id", ondelete="CASCADE"), primary_key=True
    )
    #: Not a foreign key: the purge deletes both, and would look through all deliveries for each event.
    event_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16), default=DeliveryState.waiting.value)
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The status code of the last answer; None if there was none.
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(200))
