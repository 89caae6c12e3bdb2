"""Find campaigns and runs to look at, without a lock, and the slot that a question is about."""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.audience import AudienceError, CampaignOccasion, Kinds, occasion_of, occasion_of_run
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.slots import newest_slot, slot_at_local_hour
from notifier.models import Campaign, CampaignRun, Trigger
from notifier.scheduling import ScheduleError

#: next: the schedule's own next slot. The others: the slot that `campaign run` takes with the option of that name.
Which = Literal["next", "newest", "now", "at-local-hour"]


@dataclass(frozen=True, slots=True)
class Moment:
    """The slot that a question is about."""

    slot: datetime
    #: Whether an operator would start it now, outside the schedule.
    at_once: bool
    #: When its run begins. None: as soon as an operator starts it.
    begins_at: datetime | None = None

    @property
    def trigger(self) -> Trigger:
        """The trigger that its run would have."""
        return Trigger.now if self.at_once else Trigger.schedule


def campaign_named(session: Session, name: str) -> Campaign:
    """Return the campaign of this name. Raise CampaignError, which lists the existing names."""
    found = session.scalars(select(Campaign).where(Campaign.name == name)).one_or_none()
    if found is None:
        names = ", ".join(session.scalars(select(Campaign.name).order_by(Campaign.name)))
        raise CampaignError(
            f"There is no campaign {name!r}. " + (f"Available: {names}." if names else "There are no campaigns yet.")
        )
    return found


def campaigns_of(session: Session, name: str | None) -> list[Campaign]:
    """Return all campaigns by name, or the one of this name. Raise CampaignError."""
    if name is not None:
        return [campaign_named(session, name)]
    return list(session.scalars(select(Campaign).order_by(Campaign.name)))


def free_name(session: Session, wish: str) -> str:
    """Return `wish` if no campaign has this name, else the first of wish-2, wish-3, ... that is free."""
    base = re.sub(r"-\d{1,5}\Z", "", wish)[:58].rstrip("-")
    taken = set(session.scalars(select(Campaign.name).where(Campaign.name.startswith(base, autoescape=True))))
    names = chain([wish], (f"{base}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def run_with(session: Session, run_id: int) -> CampaignRun:
    """Return the run with this key. Raise CampaignError, which names the newest run."""
    found = session.get(CampaignRun, run_id, populate_existing=True)
    if found is None:
        newest = session.scalar(select(CampaignRun.id).order_by(CampaignRun.id.desc()).limit(1))
        raise CampaignError(
            f"There is no run {run_id}. " + (f"The newest is {newest}." if newest else "There are no runs yet.")
        )
    return found


def moment_of(campaign: Campaign, which: Which, now: datetime, kinds: Kinds) -> Moment:
    """Return the slot that `which` means; the present moment if the campaign has none.

    Raise CampaignError if the schedule is broken, or if the campaign has no local hour.
    """
    slot = campaign.next_slot if which == "next" else None
    try:
        if which == "at-local-hour":
            slot = slot_at_local_hour(campaign, now, kinds)
        elif which == "newest" or (slot is not None and slot <= now):
            # Of several overdue slots, the newest runs.
            slot = newest_slot(campaign, now, kinds) or slot
    except ScheduleError as error:
        raise unreadable(campaign, error) from None
    if slot is None:
        return Moment(now.replace(microsecond=0), at_once=True)
    return Moment(slot, at_once=False, begins_at=campaign.next_run_at if which == "next" else None)


def occasion_at(campaign: Campaign, slot: datetime, kinds: Kinds, trigger: str = Trigger.schedule) -> CampaignOccasion:
    """Return the campaign's occasion at this slot. Raise CampaignError if its row cannot be read."""
    try:
        return occasion_of(campaign, slot, kinds, trigger)
    except AudienceError as error:
        raise unreadable(campaign, error) from None


def occasion_in(campaign: Campaign, run: CampaignRun, kinds: Kinds) -> CampaignOccasion:
    """Return the occasion of this run. Raise CampaignError if the campaign's row cannot be read."""
    try:
        return occasion_of_run(campaign, run, kinds)
    except AudienceError as error:
        raise unreadable(campaign, error) from None


def unreadable(campaign: Campaign, error: ValueError) -> CampaignError:
    """Build the error for a campaign whose row cannot be read."""
    return CampaignError(f"{campaign.name} cannot be read: {'; '.join(str(error).splitlines())}")
