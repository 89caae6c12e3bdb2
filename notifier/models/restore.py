"""Facts that let a database detect, and survive, its own restore from a backup."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime


class DatabaseIdentity(Base):
    """The single row that identifies the database in use. In a restored copy it no longer matches."""

    __tablename__ = "notifier_database_identity"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: The id of the transaction that wrote this row. A restore writes it in another transaction, so the two differ.
    transaction_id: Mapped[int] = mapped_column(BigInteger)
    #: The object id of the database; a copy made with it as the template has another one.
    database_oid: Mapped[int] = mapped_column(BigInteger)
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UnrecordedEmail(Base):
    """An email that a mail server accepted and that has no row: it must not be sent again for the same reason."""

    __tablename__ = "notifier_unrecorded_emails"

    #: The MAC of its dedupe key, from the Message-ID. The key itself is lost.
    mac: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: Without angle brackets.
    message_id: Mapped[str] = mapped_column(String(255))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
