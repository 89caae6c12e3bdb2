"""Campaign: a row that people edit. CampaignRun: one campaign for one slot."""

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
from notifier.models.notification import OnUnknown
from notifier.models.types import NEVER_AGAIN, BigId, UtcDateTime


class CampaignState(enum.StrEnum):
    """Whether its schedule fires."""

    active = "active"
    paused = "paused"
    archived = "archived"


class Misfire(enum.StrEnum):
    """What to do with a slot that nobody ran in time."""

    run_late = "run_late"
    skip = "skip"
    within = "within"


class Trigger(enum.StrEnum):
    """Why a run exists, and so which clocks count."""

    #: A slot of the schedule was due.
    schedule = "schedule"
    #: An operator started a slot.
    manual = "manual"
    #: An operator sends it now: to everybody at once, also if the campaign goes by each recipient's time zone.
    now = "now"
    #: Between slots, for people who want to hear as soon as something happens.
    prompt = "prompt"


class RunState(enum.StrEnum):
    """Where a run is. Missed and coalesced slots are rows too: never silence."""

    due = "due"
    expanding = "expanding"
    sending = "sending"
    paused = "paused"
    done = "done"
    cancelled = "cancelled"
    missed = "missed"
    coalesced = "coalesced"


#: Runs that are not over.
OPEN = frozenset({RunState.due, RunState.expanding, RunState.sending, RunState.paused})


def _one_of(names: type[enum.StrEnum]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_OPEN_LIST = ", ".join(f"'{state}'" for state in sorted(OPEN))


class Campaign(Base):
    """Kind, schedule, audience and policies. Edits act at the next tick."""

    __tablename__ = "notifier_campaigns"
    __table_args__ = (
        CheckConstraint(f"state IN ({_one_of(CampaignState)})", name="state"),
        CheckConstraint(f"misfire IN ({_one_of(Misfire)})", name="misfire"),
        # The tick: active campaigns in the order in which they are due.
        Index(
            "ix_notifier_campaigns_due",
            "next_run_at",
            postgresql_where=text("state = 'active'"),
            sqlite_where=text("state = 'active'"),
        ),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: For commands and keys: lower case, digits, hyphens.
    name: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    #: A name of the registry in `emails`.
    kind: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=CampaignState.active.value)
    #: Why it is paused, in words.
    paused_reason: Mapped[str | None] = mapped_column(String(200))

    # The schedule: one of the three, or none (it runs only when somebody says so).
    cron: Mapped[str | None] = mapped_column(String(100))
    #: Seconds.
    every: Mapped[int | None] = mapped_column(Integer)
    once_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: An IANA zone name: in it the cron expression is meant.
    zone: Mapped[str] = mapped_column(String(64), default="UTC")
    #: The wall clock of a slot is meant where the reader is.
    recipient_local: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Slots are in [start_at, end_at).
    start_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The next slot, and when the tick acts on it: earlier than the slot where the reader's clock counts,
    #: because somewhere it is that time already. None: no more slots.
    next_slot: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The last moment for which a tick looked whether somebody wants to hear at once. None: never.
    prompted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    misfire: Mapped[str] = mapped_column(String(16), default=Misfire.run_late.value)
    #: Seconds, for Misfire.within.
    misfire_within: Mapped[int | None] = mapped_column(Integer)
    #: Several late slots become one run, of the newest.
    coalesce: Mapped[bool] = mapped_column(Boolean, default=True)

    #: Who: see notifier.audience.Audience.
    audience: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: What the kind wants to know: see its Settings.
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: What its mails say from the next run on (ContentVersion). None: the files of its kind. No foreign key: each would
    #: need the other first.
    content_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Part of the keys of its emails, if its kind has editions: a correction keeps it, a new message takes the next.
    edition: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    #: Mails a second over all workers. None: no limit of its own.
    rate: Mapped[float | None] = mapped_column(Float)
    on_unknown: Mapped[str] = mapped_column(String(16), default=OnUnknown.never.value)
    #: Seconds after the slot in which a mail is of use. None: as its kind says.
    lifetime: Mapped[int | None] = mapped_column(Integer)
    #: HH:MM where the reader is; between them nothing is sent.
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_to: Mapped[str | None] = mapped_column(String(5))
    #: It counts for, and obeys, the cap of mails per user and week.
    capped: Mapped[bool] = mapped_column(Boolean, default=True)

    #: +1 with every edit: whoever saves must have seen the newest.
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class CampaignRun(Base):
    """One campaign for one slot: at most one exists, whatever the schedulers do."""

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
    #: Why it stands still, where code decides by it (ReasonCode).
    reason_code: Mapped[str | None] = mapped_column(String(32))
    #: Why it was missed, coalesced, paused or cancelled, for people.
    reason: Mapped[str | None] = mapped_column(String(200))
    #: Where a paused run goes on.
    resume_to: Mapped[str | None] = mapped_column(String(16))

    #: The content of the emails that the expansion adds: pinned when it begins, moved only when an operator says so.
    content_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The edition that its emails belong to, pinned together with the content. None: the expansion has not begun.
    edition: Mapped[int | None] = mapped_column(Integer)
    #: The last user that the expansion has looked at.
    cursor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Notifications that the expansion made.
    planned: Mapped[int] = mapped_column(Integer, default=0)
    #: People left out, by the code of the reason.
    excluded: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    #: People whose own time zone was of no use.
    zone_fallbacks: Mapped[int] = mapped_column(Integer, default=0)
    #: Notifications by status when the run was over; counted from the ledger before.
    totals: Mapped[dict[str, int] | None] = mapped_column(JSON)
    #: After this moment its mails are of no use.
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    #: When somebody last worked on it: whoever finds it old takes it over.
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expanded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
