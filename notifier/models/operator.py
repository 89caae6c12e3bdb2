"""Operator: a person who signs in to the admin."""

import enum
from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.extensions import Base
from notifier.models.types import BigId, UtcDateTime


class Role(enum.StrEnum):
    """What an operator may do: look, change, administer."""

    viewer = "viewer"
    editor = "editor"
    admin = "admin"


_ROLE_LIST = ", ".join(f"'{role}'" for role in Role)


class Operator(Base):
    """Not a User: operators never get campaign mail, users never see the admin."""

    __tablename__ = "operators"
    __table_args__ = (CheckConstraint(f"role IN ({_ROLE_LIST})", name="role"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    identity_key: Mapped[str] = mapped_column(String(400), unique=True)
    #: argon2id, in PHC string format.
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16), default=Role.viewer.value)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
