"""Campaigns and runs to look at, found without a lock; and the slot that a question is about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.audience import AudienceError, CampaignOccasion, Kinds, occasion_of, occasion_of_run
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.slots import newest_slot, slot_at_local_hour
from notifier.models import Campaign, CampaignRun, Trigger
from notifier.scheduling import ScheduleError

#: next: what the schedule brings by itself. The others: what `campaign run` takes with the option of that name.
Which = Literal["next", "newest", "now", "at-local-hour"]


@dataclass(frozen=True, slots=True)
class Moment:
    """The slot that a question is about."""

    slot: datetime
    #: It is no slot of the schedule: somebody says "now".
    at_once: bool
    #: When its run begins. None: as soon as somebody says so.
    begins_at: datetime | None = None

    @property
    def trigger(self) -> Trigger:
        """Of the run that it would be."""
        return Trigger.now if self.at_once else Trigger.schedule


def campaign_named(session: Session, name: str) -> Campaign:
    """The campaign of this name. Raises CampaignError, which lists the names that there are."""
    found = session.scalars(select(Campaign).where(Campaign.name == name)).one_or_none()
    if found is None:
        names = ", ".join(session.scalars(select(Campaign.name).order_by(Campaign.name)))
        raise CampaignError(
            f"There is no campaign {name!r}. " + (f"There are: {names}." if names else "There is none.")
        )
    return found


def campaigns_of(session: Session, name: str | None) -> list[Campaign]:
    """All campaigns by name, or the one of this name. Raises CampaignError."""
    if name is not None:
        return [campaign_named(session, name)]
    return list(session.scalars(select(Campaign).order_by(Campaign.name)))


def run_with(session: Session, run_id: int) -> CampaignRun:
    """The run of this key. Raises CampaignError, which names the newest."""
    found = session.get(CampaignRun, run_id, populate_existing=True)
    if found is None:
        newest = session.scalar(select(CampaignRun.id).order_by(CampaignRun.id.desc()).limit(1))
        raise CampaignError(
            f"There is no run {run_id}. " + (f"The newest is {newest}." if newest else "There is none.")
        )
    return found


def moment_of(campaign: Campaign, which: Which, now: datetime, kinds: Kinds) -> Moment:
    """The slot of that sort; this moment where the campaign has none.

    Raises CampaignError for a broken schedule, or if the campaign has no local hour.
    """
    slot = campaign.next_slot if which == "next" else None
    try:
        if which == "at-local-hour":
            slot = slot_at_local_hour(campaign, now, kinds)
        elif which == "newest" or (slot is not None and slot <= now):
            # Of overdue slots the newest is what runs.
            slot = newest_slot(campaign, now, kinds) or slot
    except ScheduleError as error:
        raise unreadable(campaign, error) from None
    if slot is None:
        return Moment(now.replace(microsecond=0), at_once=True)
    return Moment(slot, at_once=False, begins_at=campaign.next_run_at if which == "next" else None)


def occasion_at(campaign: Campaign, slot: datetime, kinds: Kinds, trigger: str = Trigger.schedule) -> CampaignOccasion:
    """The campaign at that slot. Raises CampaignError where its row cannot be read."""
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
    """What people are told of a campaign whose row cannot be."""
    return CampaignError(f"{campaign.name} cannot be read: {'; '.join(str(error).splitlines())}")
