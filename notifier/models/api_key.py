"""ApiKey: what a program proves itself with at the HTTP API."""

from datetime import datetime

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime


class ApiKey(Base):
    """One key of one principal. Its secret is with its owner alone; here is the digest."""

    __tablename__ = "notifier_api_keys"
    __table_args__ = (Index("ix_notifier_api_keys_principal_id", "principal", "id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For whom the program acts. Its keys share one namespace of idempotency keys, so that one can follow another.
    principal: Mapped[str] = mapped_column(String(32))
    #: What operators call it.
    name: Mapped[str] = mapped_column(String(64))
    #: SHA-256 of the secret, in hexadecimal. A secret of 256 random bits needs no slow hash.
    digest: Mapped[str] = mapped_column(String(64))
    #: What it may do (`operators.scopes`).
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When it was last used, to the minute.
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
