"""User: a recipient account of the application."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.extensions import Base
from notifier.mail.addresses import abuse_key
from notifier.models.types import NEVER_AGAIN, BigId, UtcDateTime


def new_nonce() -> str:
    """Return 128 random bits, URL-safe, that bind links to the present state of an account."""
    return secrets.token_urlsafe(16)


def _abuse_key(context: Any) -> str | None:
    """Derive the key from the address of the row that is being inserted."""
    email = context.get_current_parameters().get("email")
    return abuse_key(email) if email else None


class User(Base):
    """A person who may get email: address, language and time zone."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_unverified", "created_at", "id"),
        # Accounts of one mailbox, the oldest first, because only that one gets reminders.
        Index("ix_users_abuse_key", "abuse_key", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For the envelope: the local part as typed, the domain as an A-label.
    email: Mapped[str] = mapped_column(String(320))
    #: Local part in NFC and lower case, A-label domain: two spellings of one mailbox are one user.
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    #: The mailbox without tags (`addresses.abuse_key`), which limits count by. It is never an identity.
    abuse_key: Mapped[str | None] = mapped_column(String(400), default=_abuse_key)
    #: Their chosen name. Emails use it only after they confirm, because a stranger may have typed it.
    display_name: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str] = mapped_column(String(16), default="en")
    #: An IANA zone name.
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Account links in emails are bound to it; a new nonce voids every older link.
    link_nonce: Mapped[str] = mapped_column(String(32), default=new_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
