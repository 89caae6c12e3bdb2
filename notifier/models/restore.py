"""What a database has to know of itself once it was restored from a backup."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.models.types import BigId, UtcDateTime


class DatabaseIdentity(Base):
    """The only row is of the database in use. In a restored copy it no longer fits its surroundings."""

    __tablename__ = "notifier_database_identity"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: Of the transaction that wrote this row: where another one wrote it, as a restore does, the two differ.
    transaction_id: Mapped[int] = mapped_column(BigInteger)
    #: The object id of the database: a copy made as a template has another one.
    database_oid: Mapped[int] = mapped_column(BigInteger)
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UnrecordedEmail(Base):
    """An email that a mail server took and that has no row: what is owed for the same reason must not go again."""

    __tablename__ = "notifier_unrecorded_emails"

    #: Of its dedupe key, as the Message-ID has it. The key itself is lost.
    digest: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: Without angle brackets.
    message_id: Mapped[str] = mapped_column(String(255))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
