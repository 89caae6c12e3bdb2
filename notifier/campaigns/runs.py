"""Runs as rows: made once per slot, and found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, Update, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.audience import AudienceError, Kinds, occasion_of
from notifier.models import Campaign, CampaignRun, RunState, Trigger
from notifier.reasons import ReasonCode, sentence
from notifier.scheduling import LATEST

log = structlog.get_logger(__name__)

#: Why a slot does not run although its policy would allow it.
USELESS = sentence(ReasonCode.run_useless)


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to make."""

    slot: datetime
    state: RunState
    reason: str = ""
    trigger: Trigger = Trigger.schedule


def add_runs(
    session: Session, campaign: Campaign, planned: Sequence[Planned], kinds: Kinds, now: datetime
) -> list[int]:
    """Make these runs, except for slots that have one. Return the keys of those that are due. The caller commits."""
    if not planned:
        return []
    rows = [_row(campaign, each, kinds, now) for each in planned]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(CampaignRun).on_conflict_do_nothing(index_elements=["campaign_id", "slot"])
    made = session.execute(statement.values(rows).returning(CampaignRun.id, CampaignRun.state))
    return sorted(pk for pk, state in made if state == RunState.due)


def keep_overdue(session: Session, campaign: Campaign, kinds: Kinds, now: datetime) -> None:
    """Make a run of the next slot, which is due and which no tick has seen before the schedule is changed."""
    if campaign.next_slot is not None:
        missed = Planned(campaign.next_slot, RunState.missed, "the schedule was changed before it ran")
        add_runs(session, campaign, [missed], kinds, now)


def _row(campaign: Campaign, planned: Planned, kinds: Kinds, now: datetime) -> dict[str, Any]:
    deadline = deadline_of(campaign, planned.slot, kinds, planned.trigger)
    state, code, reason = planned.state, None, planned.reason
    if state is RunState.due and deadline is not None and deadline <= now:
        state, code, reason = RunState.missed, ReasonCode.run_useless, USELESS
    return {
        "campaign_id": campaign.id,
        "slot": planned.slot,
        "trigger": planned.trigger.value,
        "state": state.value,
        "reason_code": code,
        "reason": reason or None,
        "deadline": deadline,
        "created_at": now,
        "touched_at": now,
        "finished_at": None if state is RunState.due else now,
    }


def deadline_of(
    campaign: Campaign, slot: datetime, kinds: Kinds, trigger: Trigger = Trigger.schedule
) -> datetime | None:
    """Return the moment after which the slot's emails are of no use; None if the campaign's row cannot be read."""
    try:
        occasion = occasion_of(campaign, slot, kinds, trigger)
    except AudienceError:
        return None
    if not occasion.by_their_clocks:
        return slot + occasion.life
    offset = slot.astimezone(occasion.zone).utcoffset() or timedelta(0)
    return slot + offset + LATEST + occasion.life


def changed(session: Session, statement: Update) -> int:
    """Execute the statement. Return how many rows it changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def lock_campaign(session: Session, run_id: int) -> Campaign | None:
    """Return the campaign of this run, locked until the transaction ends; None if there is no such run.

    Lock the campaign before its run, as every command of an operator does: in the other order, an expansion and a
    "cancel" would wait for each other, and the database would end one of them with an error.
    """
    query = select(Campaign).join(CampaignRun, CampaignRun.campaign_id == Campaign.id).where(CampaignRun.id == run_id)
    query = query.with_for_update(of=Campaign, key_share=True).execution_options(populate_existing=True)
    return session.scalars(query).one_or_none()


def run_of(session: Session, run_id: int, *, lock: bool = False) -> CampaignRun | None:
    """Return the run as it is in the database now. `lock`: it cannot change until the transaction ends."""
    query = select(CampaignRun).where(CampaignRun.id == run_id)
    if lock:
        query = query.with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()
