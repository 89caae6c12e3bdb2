"""User: a recipient account of the application."""

import secrets
from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.extensions import Base
from notifier.models.types import BigId, UtcDateTime


def new_nonce() -> str:
    """128 random bits that tie a link to this state of an account."""
    return secrets.token_urlsafe(16)


class User(Base):
    """Who may get mail, where, in which language and time zone."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_unverified", "created_at", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For the envelope: the local part as typed, the domain as an A-label.
    email: Mapped[str] = mapped_column(String(320))
    #: NFC, casefolded local part, A-label domain: two spellings of one mailbox are one user.
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    display_name: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str] = mapped_column(String(16), default="en")
    #: An IANA zone name.
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: A link in a mail is bound to it; a new one makes every older link void.
    link_nonce: Mapped[str] = mapped_column(String(32), default=new_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
