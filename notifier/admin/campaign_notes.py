"""What other pages say about campaigns: the dashboard, the scheduled jobs, the page of a person."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import case, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.admin import schedule_preview
from notifier.admin.campaigns import rows
from notifier.campaigns.why import why
from notifier.models import Campaign, CampaignState
from notifier.scheduling import Firing, Schedule, ScheduleError

#: Campaigns that the dashboard and the jobs page show; all are on their own page.
SHOWN = 25

#: Of the timeline: the width of its box, the height of a lane, the room above the lanes.
WIDTH, LANE, TOP = 720, 44, 26

#: Slots of one campaign in a week that are drawn one by one; more are a band.
FEW = 28

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lane:
    """One campaign in the timeline."""

    campaign: Campaign
    y: int
    #: Where its slots are, and their words; empty where they are too many.
    marks: Sequence[tuple[float, str]]
    often: bool


@dataclass(frozen=True, slots=True)
class Week:
    """The coming seven days, UTC."""

    lanes: Sequence[Lane]
    #: (x, label) of every midnight.
    days: Sequence[tuple[float, str]]
    #: What fires, day by day: (slot, campaign, how often that day).
    agenda: Sequence[tuple[date, Sequence[tuple[datetime, Campaign, int]]]]
    width: int = WIDTH

    @property
    def height(self) -> int:
        """Of the box."""
        return TOP + LANE * len(self.lanes) + 6


def of_dashboard(session: Session) -> dict[str, Any]:
    """Campaigns with state, next and last run, and the coming week."""
    campaigns = _newest(session)
    return {"campaign_rows": rows(session, campaigns), "week": week(campaigns, clock.now())}


def of_jobs(session: Session) -> dict[str, Any]:
    """Every campaign that is not archived, with its last and next run."""
    return {"campaign_rows": rows(session, _newest(session))}


def of_person(session: Session, user_id: int) -> dict[str, Any]:
    """For every campaign that is not archived one answer: got it, will get it, or not, and why."""
    campaigns = {campaign.name: campaign for campaign in _newest(session)}
    answers = why(session, user_id, current_app.extensions["notifier.kinds"])
    return {"answers": [(campaigns[each.campaign], each) for each in answers if each.campaign in campaigns]}


def week(campaigns: Sequence[Campaign], now: datetime) -> Week:
    """What the schedules of these campaigns bring, by the engine that fires."""
    fired = [(campaign, found) for campaign in campaigns if (found := _firings(campaign, now))]
    lanes = [_lane(campaign, found, place, now) for place, (campaign, found) in enumerate(fired)]
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(_x(midnight + _DAY * day, now), f"{midnight + _DAY * day:%a %d}") for day in range(1, 8)]
    return Week(lanes, [(x, label) for x, label in days if x <= WIDTH], _agenda(fired))


def _newest(session: Session) -> list[Campaign]:
    """Those that are next first; the paused ones, and those without a slot, after them."""
    query = select(Campaign).where(Campaign.state != CampaignState.archived).limit(SHOWN)
    waits = case((Campaign.state == CampaignState.active, 0), else_=1)
    order = (waits, Campaign.next_run_at.is_(None), Campaign.next_run_at, Campaign.title)
    return list(session.scalars(query.order_by(*order)))


def _firings(campaign: Campaign, now: datetime) -> list[Firing]:
    if campaign.state != CampaignState.active:
        return []
    try:
        return schedule_preview.week(Schedule.of(campaign), now, 7 * 24 * 60)
    except ScheduleError:
        return []


def _lane(campaign: Campaign, found: Sequence[Firing], place: int, now: datetime) -> Lane:
    often = len(found) > FEW
    marks = (
        [] if often else [(_x(each.slot, now), f"{campaign.title}: {each.slot:%a %d %b, %H:%M} UTC") for each in found]
    )
    return Lane(campaign, TOP + LANE * place, marks, often)


def _agenda(
    fired: Sequence[tuple[Campaign, Sequence[Firing]]],
) -> list[tuple[date, Sequence[tuple[datetime, Campaign, int]]]]:
    """The first slot of each campaign on each day, and how many there are."""
    days: dict[date, dict[int, tuple[datetime, Campaign, int]]] = defaultdict(dict)
    for campaign, found in fired:
        for each in found:
            day = days[each.slot.date()]
            first, _, number = day.get(campaign.id, (each.slot, campaign, 0))
            day[campaign.id] = (first, campaign, number + 1)
    return [(day, sorted(found.values(), key=lambda item: item[0])) for day, found in sorted(days.items())]


def _x(moment: datetime, now: datetime) -> float:
    return round((moment - now) / (7 * _DAY) * (WIDTH - 16) + 8, 1)
