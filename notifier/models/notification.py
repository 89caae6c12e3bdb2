"""Notification: the ledger row, one email to one recipient, once. Attempt: a failed or uncertain attempt."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    event,
    false,
    text,
)  # fmt: skip
from sqlalchemy.orm import Mapped, mapped_column, relationship

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.models.user import User


class Status(enum.StrEnum):
    """The status of a notification. `ledger.EDGES` defines the allowed changes."""

    pending = "pending"
    sending = "sending"
    sent = "sent"
    failed = "failed"
    suppressed = "suppressed"
    skipped = "skipped"
    unknown = "unknown"
    cancelled = "cancelled"
    expired = "expired"
    bounced = "bounced"
    complained = "complained"

    #: Enum's own hash is a Python function, and this is called for every row of a batch.
    __hash__ = str.__hash__


class OnUnknown(enum.StrEnum):
    """The policy if delivery is uncertain."""

    resend = "resend"
    never = "never"
    ask = "ask"


#: The condition of a partial index for failed emails: a query must repeat it exactly to use the index.
FAILED = "status IN ('failed', 'bounced', 'complained')"

#: The condition of another one, for the statuses that few emails reach.
RARE = "status NOT IN ('pending', 'sending', 'sent')"

#: The condition of another one, for rows that wait for a rate limit.
WAITING = "status = 'pending' AND reason_code = 'rate_limited'"

#: Every email leaves two dead rows, and by default Postgres would wait for a fifth of the ledger to be dead.
VACUUMED_OFTEN = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01"

_STATUS_LIST = ", ".join(f"'{status}'" for status in Status)


class Notification(Base):
    """One row per email: why it exists, what happened to it, when it will be tried again."""

    __tablename__ = "notifier_notifications"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUS_LIST})", name="status"),
        # For the sweep: pending rows in the order in which they must be enqueued. With `next_attempt_at`, pages count
        # those that are due without reading the rows.
        Index(
            "ix_notifier_notifications_pending_enqueue_at",
            "enqueue_at",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
            sqlite_where=text("status = 'pending'"),
        ),
        # For the sweep: claims whose lease may have run out.
        Index(
            "ix_notifier_notifications_sending_lease_until",
            "lease_until",
            postgresql_where=text("status = 'sending'"),
            sqlite_where=text("status = 'sending'"),
        ),
        # One person's emails of one kind, newest first: for limits and for the email history.
        Index("ix_notifier_notifications_user_id_kind_id", "user_id", "kind", "id"),
        # For lists by status, newest first. Every email passes through the three statuses that Postgres leaves out, and
        # lists of them have other ways: what waits is in an index above, what is sent is nearly everything. SQLite
        # would not use a partial index for one status.
        Index("ix_notifier_notifications_status_id", "status", "id", postgresql_where=text(RARE)),
        # For the daily totals: recently settled rows.
        Index(
            "ix_notifier_notifications_settled_at",
            "settled_at",
            postgresql_where=text("settled_at IS NOT NULL"),
            sqlite_where=text("settled_at IS NOT NULL"),
        ),
        # Recently failed rows; emails that do not fail add nothing to this index.
        Index(
            "ix_notifier_notifications_failed_settled_at",
            "settled_at",
            postgresql_where=text(FAILED),
            sqlite_where=text(FAILED),
        ),
        # Rows that wait for the end of a hold. Rows that never waited for one add nothing to this index.
        Index(
            "ix_notifier_notifications_hold_key_status",
            "hold_key",
            "status",
            postgresql_where=text("hold_key IS NOT NULL"),
            sqlite_where=text("hold_key IS NOT NULL"),
        ),
        # For reports that name an email only by the id that the mail server gave it.
        Index(
            "ix_notifier_notifications_server_id",
            "server_id",
            postgresql_where=text("server_id IS NOT NULL"),
            sqlite_where=text("server_id IS NOT NULL"),
        ),
        # The rows of a run by status, newest first: for its totals, its waiting rows and its lists. With `content_id`,
        # those that have ended are counted by their version without reading them.
        Index(
            "ix_notifier_notifications_run_id_status_id",
            "run_id",
            "status",
            "id",
            "content_id",
            postgresql_where=text("run_id IS NOT NULL"),
            sqlite_where=text("run_id IS NOT NULL"),
        ),
        # For `oldest_due_seconds`: what is due, in the order in which it fell due, for people's own emails and for
        # those of campaigns.
        Index(
            "ix_notifier_notifications_due",
            "bulk",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
            sqlite_where=text("status = 'pending'"),
        ),
        # Rows that wait for a rate limit, by run. Emails without a limit add nothing to this index.
        Index(
            "ix_notifier_notifications_waiting",
            "bulk",
            "run_id",
            "id",
            postgresql_where=text(WAITING),
            sqlite_where=text(WAITING),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("notifier_users.id", ondelete="SET NULL"))
    #: The address at the time when the row was added; a later change of the account does not affect it.
    recipient: Mapped[str] = mapped_column(String(320))
    #: Campaign or flow, period or step, recipient: it keeps two rows for one reason from existing.
    dedupe_key: Mapped[str] = mapped_column(String(255), unique=True)
    #: Small facts that the template needs and that are stored nowhere else; never an address, name or token.
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: Bulk email has its own queue, so that no verification email waits behind it.
    bulk: Mapped[bool] = mapped_column(Boolean, default=False)
    on_unknown: Mapped[str] = mapped_column(String(16), default=OnUnknown.resend.value)
    #: The campaign that it belongs to; None if a person's own action caused it.
    campaign_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The run that planned it. It is not part of the key, so another run for the same period sends nothing twice.
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The version of its content (ContentVersion); None for the template files of its kind.
    content_id: Mapped[int | None] = mapped_column(BigInteger)

    status: Mapped[str] = mapped_column(String(16), default=Status.pending.value)
    #: The reason for its status (ReasonCode), for code.
    reason_code: Mapped[str | None] = mapped_column(String(32))
    #: The same for people: the sentence of the code, with its details.
    reason: Mapped[str | None] = mapped_column(String(200))
    #: The hold or slowdown of a provider that it waits for (`providers.key`). It is valid only together with the
    #: reason code, because a row that moves on keeps it.
    hold_key: Mapped[str | None] = mapped_column(String(320))
    #: The fencing token: +1 with every claim; `settle` must name the claim that it settles.
    claims: Mapped[int] = mapped_column(Integer, default=0)
    #: Attempts that count against the email; an unreachable server does not count.
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    #: Attempts with an uncertain end: at most this many copies beyond the first may exist.
    unknowns: Mapped[int] = mapped_column(Integer, default=0)
    #: Processes that died while they were making it, one after the other: from two on it is made alone.
    deaths: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    #: It must not be claimed before this moment.
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When the sweep enqueues it again unless a worker has picked it up.
    enqueue_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When it was due at first, also if it was deferred later: since then it is owed. None: since it was added.
    owed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The sending process of the newest claim, whose journal knows how far the email came. It stays on unknown rows
    #: and is cleared when other rows are settled.
    claimed_by: Mapped[str | None] = mapped_column(String(64))
    #: When the email expires; None: never.
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)

    #: The name of the key, of SECRET_KEYS, that signs its id in every attempt (`mail/message_ids.py`). Its first claim
    #: sets it, before anything of the email is sent.
    id_key: Mapped[str | None] = mapped_column(String(8))
    message_id: Mapped[str | None] = mapped_column(String(255))
    #: The id that the mail server gave it in its last reply (`smtp/server_ids.py`).
    server_id: Mapped[str | None] = mapped_column(String(128))
    template_version: Mapped[str | None] = mapped_column(String(32))
    #: The transport of the last attempt.
    transport: Mapped[str | None] = mapped_column(String(64))
    #: Whether staging sends its present claim to another address, so that what comes back says nothing about
    #: `recipient`.
    redirected: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    #: The last reply of a mail server: phase, code, enhanced code, text.
    last_phase: Mapped[str | None] = mapped_column(String(16))
    last_code: Mapped[int | None] = mapped_column(Integer)
    last_enhanced: Mapped[str | None] = mapped_column(String(16))
    last_text: Mapped[str | None] = mapped_column(String(500))

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the recipient's own server took it, if a provider reported it.
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When it reached a final status (sent, failed, skipped, ...).
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User | None] = relationship(lazy="raise_on_sql")


# Not `postgresql_with` of the table, which SQLAlchemy 2.0 refuses.
event.listen(
    Notification.__table__,
    "after_create",
    DDL(f"ALTER TABLE {Notification.__tablename__} SET ({VACUUMED_OFTEN})").execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]
)


class Attempt(Base):
    """An attempt that did not simply succeed, kept so that the row can be explained.

    An email that is accepted at the first attempt needs no row here: the notification has all facts.
    """

    __tablename__ = "notifier_attempts"
    __table_args__ = (
        Index("ix_notifier_attempts_notification_id", "notification_id"),
        # Lost claims: by host and time, and those of a process whose journal turns up later.
        Index(
            "ix_notifier_attempts_owner_at",
            "owner",
            "at",
            postgresql_where=text("owner IS NOT NULL"),
            sqlite_where=text("owner IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    notification_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_notifications.id", ondelete="CASCADE"))
    #: The claim of the attempt.
    claim: Mapped[int] = mapped_column(Integer)
    #: ACCEPTED, RETRY, THROTTLE, HOLD, FAIL, BOUNCE, UNKNOWN, or LEASE_EXPIRED.
    decision: Mapped[str] = mapped_column(String(16))
    phase: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[int | None] = mapped_column(Integer)
    enhanced: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str | None] = mapped_column(String(500))
    #: The sending process whose lease ran out (LEASE_EXPIRED); None for attempts that ended by themselves.
    owner: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
