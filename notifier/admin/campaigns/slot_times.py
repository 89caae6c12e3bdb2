"""How pages write when a campaign is sent: in each recipient's time zone, or in the campaign's."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from notifier.admin.kit.moments import also_here, in_zone, until
from notifier.campaigns.overview import emails_in_words
from notifier.campaigns.slots import goes_by_clocks, slot_name, when
from notifier.models import Campaign, Trigger
from notifier.services import services

#: Why a run exists, for people.
TRIGGERS = {
    Trigger.schedule: "scheduled",
    Trigger.manual: "started manually",
    Trigger.now: "started manually, to everyone at once",
    Trigger.prompt: "prompt digest, as soon as something happened",
}


def goes(slot: datetime | None, campaign: Campaign, trigger: str = Trigger.schedule) -> Markup:
    """Format when the emails of a slot are sent, in full."""
    if slot is None or not goes_by_clocks(campaign, trigger):
        return in_zone(slot, campaign.zone)
    return Markup('<span class="by-clocks">{}</span>').format(when(campaign, slot, services().kinds, trigger))


def slot_of(slot: datetime, campaign: Campaign, trigger: str = Trigger.schedule) -> Markup:
    """Format the slot alone, for small spaces."""
    if not goes_by_clocks(campaign, trigger):
        return in_zone(slot, campaign.zone)
    return escape(slot_name(campaign, slot, trigger))


def next_of(campaign: Campaign) -> Markup:
    """Format the next run of a campaign that has one, and the time until then."""
    if goes_by_clocks(campaign):
        return goes(campaign.next_slot, campaign)
    return Markup('{}<br><span class="muted small">{}{}</span>').format(
        in_zone(campaign.next_slot, campaign.zone),
        until(campaign.next_run_at),
        also_here(campaign.next_slot, campaign.zone),
    )


def trigger_words(trigger: str) -> str:
    """Return why a run exists."""
    return TRIGGERS[Trigger(trigger)]


FILTERS: dict[str, Callable[..., Any]] = {
    "goes": goes,
    "slot_of": slot_of,
    "emails_in_words": emails_in_words,
    "next_of": next_of,
    "trigger_words": trigger_words,
}
