"""Campaign: what operators edit. CampaignRun: one campaign at one scheduled time."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.models.notification import OnUnknown


class CampaignState(enum.StrEnum):
    """Whether the schedule of a campaign fires."""

    active = "active"
    paused = "paused"
    archived = "archived"


class Misfire(enum.StrEnum):
    """The policy for a missed run."""

    run_late = "run_late"
    skip = "skip"
    within = "within"


class Trigger(enum.StrEnum):
    """The cause of a run; it also decides whether recipients' time zones apply."""

    #: A slot of the schedule was due.
    schedule = "schedule"
    #: An operator started a slot.
    manual = "manual"
    #: An operator sends it now, to all recipients at once, even if the campaign uses each recipient's time zone.
    now = "now"
    #: Between slots, for people who chose to get their digest as soon as something happens.
    prompt = "prompt"


class RunState(enum.StrEnum):
    """The state of a run. Missed and coalesced slots have rows, too, so that they are never silent."""

    due = "due"
    expanding = "expanding"
    sending = "sending"
    paused = "paused"
    done = "done"
    cancelled = "cancelled"
    missed = "missed"
    coalesced = "coalesced"


#: States of runs that are not over.
OPEN = frozenset({RunState.due, RunState.expanding, RunState.sending, RunState.paused})


def _one_of(names: type[enum.StrEnum]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_OPEN_LIST = ", ".join(f"'{state}'" for state in sorted(OPEN))


class Campaign(Base):
    """Kind, schedule, audience and policies of a campaign. Edits take effect at the next tick."""

    __tablename__ = "notifier_campaigns"
    __table_args__ = (
        CheckConstraint(f"state IN ({_one_of(CampaignState)})", name="state"),
        CheckConstraint(f"misfire IN ({_one_of(Misfire)})", name="misfire"),
        # For the tick: active campaigns in the order in which they are due.
        Index(
            "ix_notifier_campaigns_due",
            "next_run_at",
            postgresql_where=text("state = 'active'"),
            sqlite_where=text("state = 'active'"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For commands and dedupe keys: lower case, digits, hyphens.
    name: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    #: A name in the registry of `emails`.
    kind: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=CampaignState.active.value)
    #: Why it is paused, for people.
    paused_reason: Mapped[str | None] = mapped_column(String(200))

    # The schedule: one of the three, or none if it runs only when an operator starts it.
    cron: Mapped[str | None] = mapped_column(String(100))
    #: Seconds.
    every: Mapped[int | None] = mapped_column(Integer)
    once_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The IANA name of the zone of the cron expression.
    zone: Mapped[str] = mapped_column(String(64), default="UTC")
    #: Whether the wall time of a slot is meant in each recipient's time zone.
    recipient_local: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Slots are in [start_at, end_at).
    start_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The next slot, and when the tick acts on it. With recipients' time zones that is earlier than the slot, because
    #: it is already that time in some zone. None if there are no more slots.
    next_slot: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The last moment for which a tick looked for activities of people with immediate digests. None: never.
    prompted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    misfire: Mapped[str] = mapped_column(String(16), default=Misfire.run_late.value)
    #: Seconds, for Misfire.within.
    misfire_within: Mapped[int | None] = mapped_column(Integer)
    #: Whether several missed slots become one run, that of the newest.
    coalesce: Mapped[bool] = mapped_column(Boolean, default=True)

    #: See notifier.audience.Audience.
    audience: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: See the Settings of the kind.
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: The version of the content from the next run on (ContentVersion); None for the template files of the kind. Not a
    #: foreign key, because the two tables would depend on each other.
    content_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Part of the keys of its emails, if its kind has editions: a correction keeps it, a new message takes the next.
    edition: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    #: Emails per second over all workers; None if it has no limit of its own.
    rate: Mapped[float | None] = mapped_column(Float)
    on_unknown: Mapped[str] = mapped_column(String(16), default=OnUnknown.never.value)
    #: Seconds after the slot until an email expires; None for the default of its kind.
    lifetime: Mapped[int | None] = mapped_column(Integer)
    #: HH:MM in the recipient's time zone; nothing is sent in between.
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_to: Mapped[str | None] = mapped_column(String(5))
    #: Whether its emails count towards, and obey, the weekly cap per user.
    capped: Mapped[bool] = mapped_column(Boolean, default=True)

    #: +1 with every edit, so that no operator overwrites an edit that they have not seen.
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class CampaignRun(Base):
    """One campaign at one scheduled time: at most one exists, even with several schedulers."""

    __tablename__ = "notifier_campaign_runs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_one_of(RunState)})", name="state"),
        UniqueConstraint("campaign_id", "slot"),
        Index(
            "ix_notifier_campaign_runs_open",
            "state",
            "touched_at",
            postgresql_where=text(f"state IN ({_OPEN_LIST})"),
            sqlite_where=text(f"state IN ({_OPEN_LIST})"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_campaigns.id", ondelete="CASCADE"))
    slot: Mapped[datetime] = mapped_column(UtcDateTime)
    #: A name of Trigger.
    trigger: Mapped[str] = mapped_column(String(16), default=Trigger.schedule.value)
    state: Mapped[str] = mapped_column(String(16), default=RunState.due.value)
    #: Why it is paused, as a ReasonCode, if code depends on it.
    reason_code: Mapped[str | None] = mapped_column(String(32))
    #: When dead addresses last paused it; that brake counts what was sent since.
    braked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The providers (or domains) at which complaints stopped it: when (ISO 8601), why, and whether its emails to them
    #: still wait. The brake counts what was sent since: {"gmail": {"at": "…", "reason": "…", "paused": true}}.
    provider_brakes: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON, default=dict)
    #: Why it was missed, coalesced, paused or cancelled, for people.
    reason: Mapped[str | None] = mapped_column(String(200))
    #: The state to which a paused run returns.
    resume_to: Mapped[str | None] = mapped_column(String(16))

    #: The content of the emails that the expansion adds: fixed when it begins, changed only by an operator.
    content_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The edition of its emails, fixed together with the content. None if the expansion has not begun.
    edition: Mapped[int | None] = mapped_column(Integer)
    #: The id of the last user that the expansion has checked.
    cursor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The number of notifications that the expansion added.
    planned: Mapped[int] = mapped_column(Integer, default=0)
    #: The number of people excluded, by the code of the reason.
    excluded: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    #: The number of people whose own time zone was not usable.
    zone_fallbacks: Mapped[int] = mapped_column(Integer, default=0)
    #: Notifications by status when the run was over; None before, when they are counted from the ledger.
    totals: Mapped[dict[str, int] | None] = mapped_column(JSON)
    #: When its emails expire.
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When a process last worked on it; if that is too long ago, another process takes it over.
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expanded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def paused_providers(self) -> dict[str, str]:
        """The providers to which its emails wait, and why."""
        return {scope: brake["reason"] for scope, brake in self.provider_brakes.items() if brake["paused"]}
