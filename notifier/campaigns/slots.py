"""A campaign's schedule as its kind allows it, and the slots that a run by hand is for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from notifier.audience import AudienceError, Kinds, occasion_of
from notifier.campaigns.errors import CampaignError
from notifier.models import Campaign, Trigger
from notifier.scheduling import EARLIEST, ReadyAt, Schedule, ScheduleError, backlog, local_slot, local_time, periods


def schedule_of(campaign: Campaign, kinds: Kinds) -> Schedule:
    """Return the schedule of a row. Raise ScheduleError if the row cannot be used."""
    return Schedule.of(campaign, ready_at=ready_at(campaign, kinds))


def ready_at(campaign: Campaign, kinds: Kinds) -> ReadyAt | None:
    """Return a function that gives the moment from which a slot may be expanded; None if the row cannot be read."""
    try:
        occasion = occasion_of(campaign, campaign.created_at, kinds)
    except AudienceError:
        return None
    return lambda slot: occasion.kind_of.ready_at(replace(occasion, slot=slot.astimezone(UTC)))


def ready_alike(before: Campaign, after: Campaign, kinds: Kinds) -> bool:
    """Return whether the next slot of `before` may be expanded from the same moment on in both."""
    slot, old, new = before.next_slot, ready_at(before, kinds), ready_at(after, kinds)
    return slot is None or (old and old(slot)) == (new and new(slot))


def goes_by_clocks(campaign: Campaign, trigger: str = Trigger.schedule) -> bool:
    """Return whether emails of such a run are sent at the slot's time of day in each recipient's time zone."""
    return campaign.recipient_local and trigger not in (Trigger.now, Trigger.prompt)


def when(campaign: Campaign, slot: datetime, kinds: Kinds, trigger: str = Trigger.schedule) -> str:
    """Return when the emails of a slot are sent, for people: in each recipient's time zone, or in UTC."""
    if goes_by_clocks(campaign, trigger):
        try:
            return local_time(schedule_of(campaign, kinds), slot)
        except ScheduleError:
            pass  # the campaign's own page says what is wrong with its schedule
    return slot_name(campaign, slot, trigger)


def slot_name(campaign: Campaign, slot: datetime, trigger: str = Trigger.schedule) -> str:
    """Return the slot alone, for people."""
    if goes_by_clocks(campaign, trigger):
        return local_slot(slot, periods.zone_of(None, campaign.zone)[0])
    return f"{slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def newest_slot(campaign: Campaign, now: datetime, kinds: Kinds) -> datetime | None:
    """Return the newest slot of its schedule that a tick should have acted on by now; None if there is none."""
    schedule = schedule_of(campaign, kinds)
    first = schedule.next_after(campaign.created_at)
    return None if first is None else backlog(schedule, first.slot, now, portion=1).newest


def slot_at_local_hour(campaign: Campaign, now: datetime, kinds: Kinds) -> datetime:
    """Return the first slot whose time of day has not passed in any time zone.

    Raise CampaignError if the campaign does not go by the recipients' time zones, or has no time of day.
    """
    if not campaign.recipient_local:
        raise CampaignError(
            f"{campaign.name} does not send in each recipient's time zone, so it has no local hour. Run it now instead."
        )
    schedule = schedule_of(campaign, kinds)
    slot = campaign.next_slot or newest_slot(campaign, now, kinds) or campaign.once_at
    if slot is None:
        raise CampaignError(
            f"{campaign.name} has no schedule, so it has no hour. Give it a schedule, such as every day at "
            "10:00, or run it now."
        )
    # The local time in the time zone that is furthest ahead.
    there = now.astimezone(UTC).replace(tzinfo=None) + EARLIEST
    at = periods.wall(slot, schedule.zone).time()
    day = there.date() if there.time() < at else there.date() + timedelta(days=1)
    return periods.resolve(datetime.combine(day, at), schedule.zone)


def step_after(schedule: Schedule, moment: datetime) -> timedelta | None:
    """Return the time from the first slot after `moment` to the next one; None if there are no two."""
    first = schedule.next_after(moment)
    second = None if first is None else schedule.next_after(first.slot)
    return None if first is None or second is None else second.slot - first.slot
