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
    """128 random bits that tie a link to this state of an account."""
    return secrets.token_urlsafe(16)


def _abuse_key(context: Any) -> str | None:
    """Derive the key from the address of the row that is stored."""
    email = context.get_current_parameters().get("email")
    return abuse_key(email) if email else None


class User(Base):
    """Who may get mail, where, in which language and time zone."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_unverified", "created_at", "id"),
        # Accounts of one mailbox, the oldest first: it alone is reminded.
        Index("ix_users_abuse_key", "abuse_key", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For the envelope: the local part as typed, the domain as an A-label.
    email: Mapped[str] = mapped_column(String(320))
    #: Local part in NFC and lower case, A-label domain: two spellings of one mailbox are one user.
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    #: One mailbox, whatever tag its owner adds (`addresses.abuse_key`): limits count by it. Never an identity.
    abuse_key: Mapped[str | None] = mapped_column(String(400), default=_abuse_key)
    #: What they like to be called. Until they confirm, no email says it: it may be anything, typed by a stranger.
    display_name: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str] = mapped_column(String(16), default="en")
    #: An IANA zone name.
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: A link in a mail is bound to it; a new one makes every older link void.
    link_nonce: Mapped[str] = mapped_column(String(32), default=new_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
