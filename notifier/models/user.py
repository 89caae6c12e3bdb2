"""User: a recipient account of the application."""

import secrets
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Boolean, CheckConstraint, ColumnElement, Index, String, and_, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.mail.addresses import abuse_key

#: Begins the external ids of people whom the embedding application deleted, so that a reused id is another person.
DETACHED: Final = "~"


def new_nonce() -> str:
    """128 random bits that tie a link to this state of an account."""
    return secrets.token_urlsafe(16)


def _abuse_key(context: Any) -> str | None:
    """Derive the key from the address of the row that is stored."""
    email = context.get_current_parameters().get("email")
    return abuse_key(email) if email else None


#: The condition of a partial index: a query that is to use the index must repeat it exactly.
SIGNED_UP_HERE = "external_id IS NULL"

#: What is kept of an erased person of an application that embeds us: their id there, and when it was.
_NOTHING_IS_KEPT = (
    "erased_at IS NULL OR (external_id IS NOT NULL AND email = '' AND identity_key = '' AND abuse_key IS NULL"
    " AND display_name = '' AND verified_at IS NULL)"
)

#: 1 to 200 letters, digits and `._:@|~-`. Each database has its own syntax for that.
_EXTERNAL_ID_CHECKS = (
    CheckConstraint("external_id ~ '^[A-Za-z0-9._:@|~-]{1,200}$'", name="external_id").ddl_if(dialect="postgresql"),
    CheckConstraint(
        "length(external_id) BETWEEN 1 AND 200 AND external_id NOT GLOB '*[^A-Za-z0-9._:@|~-]*'", name="external_id"
    ).ddl_if(dialect="sqlite"),
)


#: The identity key of people of an embedding application without a usable address.
NO_IDENTITY: Final = ""


class User(Base):
    """A person who may get email: address, language and time zone."""

    __tablename__ = "notifier_users"
    __table_args__ = (
        # One account per address that signed up here. People of an application that embeds us are identified by
        # `external_id`: two of them may share a mailbox, swap their addresses, or have none.
        Index(
            "uq_notifier_users_identity_key",
            "identity_key",
            unique=True,
            postgresql_where=text(SIGNED_UP_HERE),
            sqlite_where=text(SIGNED_UP_HERE),
        ),
        # For everyone with an address, people of an application that embeds us included.
        Index("ix_notifier_users_identity_key", "identity_key"),
        *_EXTERNAL_ID_CHECKS,
        CheckConstraint(_NOTHING_IS_KEPT, name="erased"),
        Index("ix_notifier_users_unverified", "created_at", "id"),
        # Accounts of one mailbox, the oldest first, because only that one gets reminders.
        Index("ix_notifier_users_abuse_key", "abuse_key", "id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: The person's key in the application that embeds us; None if they signed up here.
    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    #: For the envelope: the local part as typed, the domain as an A-label.
    email: Mapped[str] = mapped_column(String(320))
    #: Local part in NFC and lower case, A-label domain: among people who signed up here, two spellings of one mailbox
    #: are one user.
    identity_key: Mapped[str] = mapped_column(String(400))
    #: The mailbox without tags (`addresses.abuse_key`), which limits count by. It is never an identity.
    abuse_key: Mapped[str | None] = mapped_column(String(400), default=_abuse_key)
    #: Their chosen name. Emails use it only after they confirm, because a stranger may have typed it.
    display_name: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str] = mapped_column(String(16), default="en")
    #: An IANA zone name.
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    #: Further facts about the person from the embedding application. JSONB, because json has no equality on Postgres.
    attributes: Mapped[dict[str, Any]] = mapped_column(
        JSON().with_variant(JSONB(), "postgresql"), default=dict, server_default=text("'{}'")
    )
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When an application last replaced the address. Unsubscribe links of emails to earlier ones work for a while.
    address_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether links in our emails confirm the address; False if the application that embeds us does that, and would not
    #: learn of it.
    confirms_here: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    #: When this person of an application that embeds us was erased. The row keeps only their id there, so that no later
    #: change there brings them back.
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Account links in emails are bound to it; a new nonce voids every older link.
    link_nonce: Mapped[str] = mapped_column(String(32), default=new_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)

    @property
    def label(self) -> str:
        """Return the address as pages show it and ask for it; for a person who has none, their number."""
        return self.email or f"no address ({self.id})"

    @classmethod
    def is_person(cls) -> ColumnElement[bool]:
        """Build the condition for rows that are about a person: not for what is left of an erased one."""
        return cls.erased_at.is_(None)

    @classmethod
    def has_address(cls) -> ColumnElement[bool]:
        """Build the condition for people with an address that an email can be sent to: an erased one has none."""
        return cls.identity_key != NO_IDENTITY

    @classmethod
    def signed_up_as(cls, identity_key: "str | ColumnElement[str]") -> ColumnElement[bool]:
        """Build the condition for the one account that signed up here with this address."""
        return and_(cls.identity_key == identity_key, cls.external_id.is_(None))
