"""Operator: a person who signs in to the admin. OperatorSession and RecoveryCode: their sign-ins."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime


class Role(enum.StrEnum):
    """The permissions of an operator: view, edit, administer."""

    viewer = "viewer"
    editor = "editor"
    admin = "admin"


class LinkPurpose(enum.StrEnum):
    """What a link lets its operator do: choose the first password, or another one, or turn the second factor off."""

    invitation = "invitation"
    password = "password"
    second_factor = "second_factor"


_PURPOSE_LIST = ", ".join(f"'{purpose}'" for purpose in LinkPurpose)
_ROLE_LIST = ", ".join(f"'{role}'" for role in Role)


class Operator(Base):
    """A person who may sign in to the admin. Operators are not users: they get no campaign email."""

    __tablename__ = "notifier_operators"
    __table_args__ = (CheckConstraint(f"role IN ({_ROLE_LIST})", name="role"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    #: argon2id, in PHC string format.
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16), default=Role.viewer.value)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    #: Whether the invitation is still open: this operator has chosen no password yet, so they cannot sign in.
    invited: Mapped[bool] = mapped_column(Boolean, default=False)
    signed_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The secret of the second factor, sealed (notifier.security.sealing). None if a password is enough.
    totp_secret: Mapped[str | None] = mapped_column(String(300))
    #: The time step of the last accepted code: it and all earlier ones are used up (RFC 6238 5.2).
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class OperatorLink(Base):
    """A link that was sent to an operator, and works once. It is deleted when it is used, and no operator has two."""

    __tablename__ = "notifier_operator_links"
    __table_args__ = (CheckConstraint(f"purpose IN ({_PURPOSE_LIST})", name="purpose"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    operator_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("notifier_operators.id", ondelete="CASCADE"), unique=True
    )
    purpose: Mapped[str] = mapped_column(String(16))
    #: SHA-256 of the token in the link, in hexadecimal.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OperatorSession(Base):
    """One browser that is signed in. Without its row the cookie is void."""

    __tablename__ = "notifier_operator_sessions"
    __table_args__ = (Index("ix_notifier_operator_sessions_operator_id", "operator_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    operator_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_operators.id", ondelete="CASCADE"))
    #: SHA-256 of the token in the cookie, in hexadecimal.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    ip: Mapped[str] = mapped_column(String(45), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: The last request that a person made, to the minute; background requests of a page do not count.
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class KeptForm(Base):
    """What an operator had typed when their session ended, until they have signed in again."""

    __tablename__ = "notifier_kept_forms"
    __table_args__ = (
        Index("ix_notifier_kept_forms_operator_id", "operator_id"),
        Index("ix_notifier_kept_forms_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    operator_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_operators.id", ondelete="CASCADE"))
    #: SHA-256, in hexadecimal, of the key in the address of the page that shows it again.
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    #: See `notifier.operators.kept_forms`.
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class RecoveryCode(Base):
    """A code that replaces the second factor once."""

    __tablename__ = "notifier_recovery_codes"
    __table_args__ = (UniqueConstraint("operator_id", "code_hash"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    operator_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_operators.id", ondelete="CASCADE"))
    #: SHA-256 in hexadecimal; a plain hash is enough, because the codes have 80 random bits.
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
