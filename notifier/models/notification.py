"""Notification: the ledger row, one email that we owe one recipient, once."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from notifier import clock
from notifier.database.base import Base
from notifier.models.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.models.user import User


class Status(enum.StrEnum):
    """Where a notification is in its life. `ledger.EDGES` says which moves exist."""

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

    #: Enum's own is a Python function, and this is asked for every row of a batch.
    __hash__ = str.__hash__


class OnUnknown(enum.StrEnum):
    """What to do where nobody can know whether a mail arrived."""

    resend = "resend"
    never = "never"
    ask = "ask"


#: What went wrong, in the very words of a partial index: a query that is to use it must repeat them.
FAILED = "status IN ('failed', 'bounced', 'complained')"

#: What waits for a rate limit: the words of another one.
WAITING = "status = 'pending' AND reason_code = 'rate_limited'"

_STATUS_LIST = ", ".join(f"'{status}'" for status in Status)


class Notification(Base):
    """One row for each mail: why it exists, what happened to it, when it will be tried again."""

    __tablename__ = "notifier_notifications"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUS_LIST})", name="status"),
        # The sweep: pending rows in the order in which somebody has to ring for them.
        Index(
            "ix_notifier_notifications_pending_ring_at",
            "ring_at",
            postgresql_where=text("status = 'pending'"),
            sqlite_where=text("status = 'pending'"),
        ),
        # The sweep: claims whose owner is gone.
        Index(
            "ix_notifier_notifications_sending_lease_until",
            "lease_until",
            postgresql_where=text("status = 'sending'"),
            sqlite_where=text("status = 'sending'"),
        ),
        # One person's mail of one kind, newest first: limits, and the answer to "what did they get".
        Index("ix_notifier_notifications_user_id_kind_id", "user_id", "kind", "id"),
        # Lists by status, newest first.
        Index("ix_notifier_notifications_status_id", "status", "id"),
        # What came to rest lately: the daily totals.
        Index(
            "ix_notifier_notifications_settled_at",
            "settled_at",
            postgresql_where=text("settled_at IS NOT NULL"),
            sqlite_where=text("settled_at IS NOT NULL"),
        ),
        # What failed lately; mails that do not fail cost it nothing.
        Index(
            "ix_notifier_notifications_failed_settled_at",
            "settled_at",
            postgresql_where=text(FAILED),
            sqlite_where=text(FAILED),
        ),
        # What waits for the end of a hold. Rows that never waited for one cost it nothing.
        Index(
            "ix_notifier_notifications_hold_key_status",
            "hold_key",
            "status",
            postgresql_where=text("hold_key IS NOT NULL"),
            sqlite_where=text("hold_key IS NOT NULL"),
        ),
        # What became of a run, what of it still waits, and its mails in each status, newest first.
        Index(
            "ix_notifier_notifications_run_id_status_id",
            "run_id",
            "status",
            "id",
            postgresql_where=text("run_id IS NOT NULL"),
            sqlite_where=text("run_id IS NOT NULL"),
        ),
        # What waits for a rate limit, of each run and of people's own email. Emails without a limit cost it nothing.
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
    #: The address at the time the mail was owed; an account that changes later does not move it.
    recipient: Mapped[str] = mapped_column(String(320))
    #: (campaign or flow, period or step, recipient): two rows for one reason cannot exist.
    dedupe_key: Mapped[str] = mapped_column(String(255), unique=True)
    #: Small facts that the template needs and nobody else keeps; never an address, name or token.
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: Bulk mail has a queue of its own, so that nobody waits for their verification behind it.
    bulk: Mapped[bool] = mapped_column(Boolean, default=False)
    on_unknown: Mapped[str] = mapped_column(String(16), default=OnUnknown.resend.value)
    #: The campaign that it belongs to; None where a person's own action caused it.
    campaign_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The run that planned it. Never part of the key: another run for the same period owes nothing twice.
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The words that it says (ContentVersion), as they were when it was planned. None: the files of its kind.
    content_id: Mapped[int | None] = mapped_column(BigInteger)

    status: Mapped[str] = mapped_column(String(16), default=Status.pending.value)
    #: Why it is where it is (ReasonCode): what code decides by.
    reason_code: Mapped[str | None] = mapped_column(String(32))
    #: The same for people: the sentence of the code, with its details.
    reason: Mapped[str | None] = mapped_column(String(200))
    #: The hold or slowdown of a provider that it waits for (`providers.key`). Counts only while the reason code says
    #: so: a row that goes on keeps it.
    hold_key: Mapped[str | None] = mapped_column(String(320))
    #: The fencing token: +1 with every claim; a settle must name the claim that it settles.
    claims: Mapped[int] = mapped_column(Integer, default=0)
    #: Tries that count against the mail (a server that is away does not).
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    #: Tries whose end nobody can know: at most so many copies beyond the first may exist.
    unknowns: Mapped[int] = mapped_column(Integer, default=0)
    #: Processes that died while they were making it, one after the other: from two on it goes alone.
    deaths: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    #: Not to be claimed before.
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When the sweep enqueues it again if nobody has picked it up.
    ring_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The sending process that made the newest claim: its journal knows how far the mail came. It stays on rows that
    #: are unknown, and goes with the end of all others.
    claimed_by: Mapped[str | None] = mapped_column(String(64))
    #: After this moment the mail is of no use to anybody.
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)

    message_id: Mapped[str | None] = mapped_column(String(255))
    template_version: Mapped[str | None] = mapped_column(String(32))
    #: The transport that carried (or last tried to carry) it.
    transport: Mapped[str | None] = mapped_column(String(64))
    #: The last reply of a mail server: phase, code, enhanced code, text.
    last_phase: Mapped[str | None] = mapped_column(String(16))
    last_code: Mapped[int | None] = mapped_column(Integer)
    last_enhanced: Mapped[str | None] = mapped_column(String(16))
    last_text: Mapped[str | None] = mapped_column(String(500))

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When it came to rest (sent, failed, skipped, ...).
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User | None] = relationship(lazy="raise_on_sql")


class Attempt(Base):
    """A try that did not simply succeed, kept so that the row can be explained.

    A mail accepted at the first try needs no row here: the notification itself says it all.
    """

    __tablename__ = "notifier_attempts"
    __table_args__ = (
        Index("ix_notifier_attempts_notification_id", "notification_id"),
        # Claims that were lost: by host and time, and those of a process whose journal comes back.
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
    #: The claim under which it was made.
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
