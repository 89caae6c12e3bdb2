"""Activity: something that happened to a user."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime


class Activity(Base):
    """One interaction of another person with the user or something of the user; digests and reports count them."""

    __tablename__ = "notifier_activities"
    __table_args__ = (
        Index("ix_notifier_activities_user_id_occurred_at", "user_id", "occurred_at"),
        Index(
            "uq_notifier_activities_external_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
            sqlite_where=text("external_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="CASCADE"))
    #: Its key in the application that recorded it (`entries/namespaces.py`), which keeps one interaction from being
    #: recorded twice.
    external_id: Mapped[str | None] = mapped_column(String(240))
    #: like, comment, friend_request, follow
    kind: Mapped[str] = mapped_column(String(32))
    #: The display name of the person who did it.
    actor: Mapped[str] = mapped_column(String(64))
    #: Groups activities on one object: ten likes of one photo are one line.
    object_key: Mapped[str] = mapped_column(String(64), default="")
    object_title: Mapped[str] = mapped_column(String(200), default="")
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
