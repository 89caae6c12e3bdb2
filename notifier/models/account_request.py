"""AccountRequest: a submitted public form that waits for a worker."""

import enum
from datetime import datetime, timedelta

from sqlalchemy import Boolean, ColumnElement, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime

#: Delays before each retry of a request whose handling raised an error. After the last one it is given up.
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 45, 135))


class AccountAction(enum.StrEnum):
    """The form that was submitted."""

    signup = enum.auto()
    resend = enum.auto()


class AccountRequest(Base):
    """One row per accepted form, whether the address has an account or not. It is deleted once it is handled.

    It contains an address that may have no account, so no other table refers to it, and it is kept for a week at most.
    """

    __tablename__ = "notifier_account_requests"
    __table_args__ = (
        # The first request of a person goes first.
        Index("ix_notifier_account_requests_identity_key", "identity_key", "id"),
        Index("ix_notifier_account_requests_enqueue_at", "enqueue_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    action: Mapped[str] = mapped_column(String(16))
    #: As in `User`.
    email: Mapped[str] = mapped_column(String(320))
    identity_key: Mapped[str] = mapped_column(String(400))
    display_name: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str] = mapped_column(String(16), default="en")
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    #: The network that sent the form: an IPv4 /24 or IPv6 /48.
    network: Mapped[str] = mapped_column(String(64), default="")
    #: Whether the domain belongs to a large mailbox provider: such requests do not wait behind a flood of others.
    known_provider: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: How often its handling raised an error.
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    #: When the sweep enqueues it, unless a worker has handled it by then.
    enqueue_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @classmethod
    def given_up(cls) -> ColumnElement[bool]:
        """Build the condition for requests that failed too often, so that no worker retries them."""
        return cls.attempts > len(RETRY_AFTER)
