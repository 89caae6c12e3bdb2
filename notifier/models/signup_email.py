"""SignupEmail: digests of who requested an email by a public form, and from where, for the limits of sign-up."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class SignupEmail(Base):
    """One row per email that a sign-up or a resend caused. It is kept for two days and contains no address.

    The digests are keyed with the newest of SECRET_KEYS, so the limits start anew after a change of keys.
    """

    __tablename__ = "notifier_signup_emails"
    __table_args__ = (
        Index("ix_notifier_signup_emails_mailbox_at", "mailbox", "at"),
        Index("ix_notifier_signup_emails_source_due", "source", "due"),
        Index("ix_notifier_signup_emails_slowed_due", "slowed", "due"),
        Index("ix_notifier_signup_emails_at", "at"),
    )

    #: The ledger row. Not a foreign key, because the count must survive the deletion of the account.
    notification_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The earliest moment at which it may be sent.
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Digest of the abuse key.
    mailbox: Mapped[str] = mapped_column(String(32))
    #: Digest of the network (IPv4 /24, IPv6 /48) that asked.
    network: Mapped[str] = mapped_column(String(32))
    #: Digest of the recipient's domain and the network; None for a known provider.
    source: Mapped[str | None] = mapped_column(String(32))
    #: Whether the address was never confirmed, so that it may not exist.
    first: Mapped[bool] = mapped_column(Boolean)
    #: Whether it waits in the queue of first emails, which are sent slowly.
    slowed: Mapped[bool] = mapped_column(Boolean, default=False)
