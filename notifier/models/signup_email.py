"""SignupEmail: who asked for an email by a public form, from where, as digests. What the limits of sign-up count."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.models.types import UtcDateTime


class SignupEmail(Base):
    """One row for each email that a sign-up or a resend caused. Kept for two days; it holds no address.

    The digests are keyed with the newest of SECRET_KEYS: after a change of keys the limits count anew.
    """

    __tablename__ = "notifier_signup_emails"
    __table_args__ = (
        Index("ix_notifier_signup_emails_mailbox_at", "mailbox", "at"),
        Index("ix_notifier_signup_emails_source_due", "source", "due"),
        Index("ix_notifier_signup_emails_slowed_due", "slowed", "due"),
        Index("ix_notifier_signup_emails_at", "at"),
    )

    #: The ledger row. No foreign key: the account may be ended, the count must not.
    notification_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When it may go at the earliest.
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Digest of the abuse key.
    mailbox: Mapped[str] = mapped_column(String(32))
    #: Digest of the network (IPv4 /24, IPv6 /48) that asked.
    network: Mapped[str] = mapped_column(String(32))
    #: Digest of the recipient's domain and the network. None at a known provider.
    source: Mapped[str | None] = mapped_column(String(32))
    #: The address has never confirmed: nothing says yet that it exists.
    first: Mapped[bool] = mapped_column(Boolean)
    #: It has a place in the line of first emails that go out slowly.
    slowed: Mapped[bool] = mapped_column(Boolean, default=False)
