"""Prompt runs: between the slots of a campaign, for people who want to hear as soon as something happens.

A tick checks every `CampaignKind.prompt_every` whether the rule chooses any person, and only then makes a run. The run
looks only at people who want prompt emails. A campaign has at most one prompt run that is not expanded.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from notifier import audience
from notifier.audience import AudienceError, Kinds
from notifier.campaigns.runs import Planned, add_runs, changed
from notifier.database.transaction import transaction
from notifier.emails.campaign_kind import CampaignKind
from notifier.models import Campaign, CampaignRun, CampaignState, RunState, Trigger

log = structlog.get_logger(__name__)

#: Offset that keeps their slots apart from those of any schedule: a campaign has one run per slot.
_APART = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def prompt(session: Callable[[], Session], kinds: Kinds, now: datetime) -> list[int]:
    """Make the prompt runs that are due, in short transactions. Return the keys of the runs."""
    made = []
    for kind in kinds.values():
        if isinstance(kind, CampaignKind) and kind.prompt_every:
            slot = _EPOCH + (now - _EPOCH) // kind.prompt_every * kind.prompt_every + _APART
            for campaign_id in _unasked(session, kind.name, slot, now):
                made += _start(session, campaign_id, slot, kinds, now)
    return made


def _unasked(session: Callable[[], Session], kind: str, slot: datetime, now: datetime) -> list[int]:
    """Return the campaigns of this kind that no tick has checked for this slot yet."""
    query = select(Campaign.id).where(
        Campaign.kind == kind,
        Campaign.state == CampaignState.active,
        Campaign.next_slot.is_not(None),
        or_(Campaign.start_at.is_(None), Campaign.start_at <= now),
        or_(Campaign.prompted_at.is_(None), Campaign.prompted_at < slot),
    )
    with transaction(session) as current:
        return list(current.scalars(query.order_by(Campaign.id)))


def _start(session: Callable[[], Session], campaign_id: int, slot: datetime, kinds: Kinds, now: datetime) -> list[int]:
    with transaction(session) as current:
        wanted = _is_wanted(current, campaign_id, slot, kinds, now)
    with transaction(session) as current:
        first = or_(Campaign.prompted_at.is_(None), Campaign.prompted_at < slot)
        asked = update(Campaign).where(Campaign.id == campaign_id, first).values(prompted_at=slot)
        # Another tick may have been faster.
        campaign = current.get(Campaign, campaign_id) if changed(current, asked) == 1 and wanted else None
        if campaign is None:
            return []
        return add_runs(current, campaign, [Planned(slot, RunState.due, trigger=Trigger.prompt)], kinds, now)


def _is_wanted(session: Session, campaign_id: int, slot: datetime, kinds: Kinds, now: datetime) -> bool:
    """Return whether the rule chooses any person, and no open run is about to look at the same people."""
    under_way = CampaignRun.state.in_((RunState.due, RunState.expanding))
    query = select(CampaignRun.id).where(
        CampaignRun.campaign_id == campaign_id, CampaignRun.trigger == Trigger.prompt, under_way
    )
    campaign = session.get(Campaign, campaign_id, populate_existing=True)
    if campaign is None or session.scalars(query.limit(1)).first() is not None:
        return False
    try:
        occasion = audience.occasion_of(campaign, slot, kinds, Trigger.prompt)
    except AudienceError as error:
        log.error("prompt.unreadable", campaign=campaign_id, error=str(error))
        return False
    people = audience.chosen(session, occasion, occasion.kind_of.prompted(), now=now).subquery()
    return session.execute(select(people.c.user_id).where(people.c.code.is_(None)).limit(1)).first() is not None
