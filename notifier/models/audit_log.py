"""AuditEntry: a record of changes and of views of addresses. Rows are only added, and purged after a year."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String, event, text
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.models.append_only import refuse_updates


class AuditEntry(Base):
    """One change, recorded in its own transaction, or one view of addresses. The database refuses updates.

    No column contains an address, because it would survive the erasure of its person.
    """

    __tablename__ = "notifier_audit_entries"
    __table_args__ = (
        Index("ix_notifier_audit_entries_at", "at"),
        Index("ix_notifier_audit_entries_operator_id_id", "operator_id", "id"),
        Index("ix_notifier_audit_entries_action_id", "action", "id"),
        Index("ix_notifier_audit_entries_object_type_object_id_id", "object_type", "object_id", "id"),
        # For all entries about one address.
        Index(
            "ix_notifier_audit_entries_person_digest_id",
            "person_digest",
            "id",
            postgresql_where=text("person_digest IS NOT NULL"),
            sqlite_where=text("person_digest IS NOT NULL"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: Not a foreign key, because the entry outlives the operator.
    operator_id: Mapped[int | None] = mapped_column(BigInteger)
    #: "operator 3", "command line", "the recipient", the id of an embedding application's operator, ... Pages join the
    #: address that an operator of ours has now.
    actor: Mapped[str] = mapped_column(String(320))
    ip: Mapped[str] = mapped_column(String(45), default="")
    #: operator.signed_in, suppression.lifted, ...
    action: Mapped[str] = mapped_column(String(64))
    object_type: Mapped[str] = mapped_column(String(32), default="")
    object_id: Mapped[str] = mapped_column(String(64), default="")
    #: A keyed digest of the address that it is about (`audit_log.About`). None if it is not about exactly one address.
    person_digest: Mapped[str | None] = mapped_column(String(64))
    #: The changed fields before and after, without secrets.
    before: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


_ONLY_ADDED = "the audit log is only ever added to"


def _refuse(_mapper: Mapper[AuditEntry], _connection: object, _entry: AuditEntry) -> None:
    raise TypeError(_ONLY_ADDED)


event.listen(AuditEntry, "before_update", _refuse)
event.listen(AuditEntry, "before_delete", _refuse)
refuse_updates(AuditEntry.__table__, _ONLY_ADDED)
