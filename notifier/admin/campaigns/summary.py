"""Campaigns on other pages: the dashboard, the scheduled jobs, the page of a person."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.admin.campaigns import schedule_preview
from notifier.admin.campaigns.pages import rows
from notifier.campaigns.slots import schedule_of
from notifier.explain.why import why
from notifier.models import Campaign, CampaignState
from notifier.scheduling import Firing, Schedule, ScheduleError, local_time
from notifier.services import services

#: Campaigns that the dashboard and the jobs page show; their own page shows all.
SHOWN = 25

#: Timeline: the width of its box, the height of a lane, the space above the lanes.
WIDTH, LANE, TOP = 720, 44, 26

#: Slots of one campaign in a week up to which they are drawn one by one; more are drawn as a band.
FEW = 28

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lane:
    """One campaign in the timeline."""

    campaign: Campaign
    y: int
    #: The x positions of its slots, and their labels; empty if there are too many.
    marks: Sequence[tuple[float, str]]
    #: Runs that last for hours, because they go by the recipients' time zones: (x, width, label).
    bars: Sequence[tuple[float, float, str]]
    often: bool


@dataclass(frozen=True, slots=True)
class _Fired:
    """One campaign, and its slots of the week."""

    campaign: Campaign
    schedule: Schedule | None = None
    firings: Sequence[Firing] = ()

    @property
    def by_clocks(self) -> bool:
        """Whether its runs last for hours, because they go by the recipients' time zones."""
        return self.schedule is not None and self.schedule.recipient_local

    def last_at(self, firing: Firing) -> datetime:
        """Return when the last recipients are due."""
        return firing.run_at if self.schedule is None else self.schedule.last_at(firing.slot)

    def words(self, firing: Firing) -> str:
        """Return when it is sent, as text."""
        if self.schedule is not None and self.by_clocks:
            return local_time(self.schedule, firing.slot)
        return f"{firing.run_at:%a %d %b, %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Item:
    """One campaign on one day."""

    #: The first run that begins on this day.
    at: datetime
    campaign: Campaign
    #: The number of runs that begin on this day.
    number: int
    #: When the first one is sent, if that is in each recipient's time zone. Else empty.
    when: str


@dataclass(frozen=True, slots=True)
class Week:
    """The next seven days, UTC."""

    lanes: Sequence[Lane]
    #: (x, label) of every midnight.
    days: Sequence[tuple[float, str]]
    #: The runs of each day.
    agenda: Sequence[tuple[date, Sequence[Item]]]
    width: int = WIDTH

    @property
    def height(self) -> int:
        """The height of the box."""
        return TOP + LANE * len(self.lanes) + 6


def of_dashboard(session: Session) -> dict[str, Any]:
    """Return campaigns with state, next and last run, and the coming week."""
    campaigns = _newest(session)
    return {"campaign_rows": rows(session, campaigns), "week": week(campaigns, clock.now())}


def of_jobs(session: Session) -> dict[str, Any]:
    """Return all campaigns that are not archived, with their last and next runs."""
    return {"campaign_rows": rows(session, _newest(session))}


def of_person(session: Session, user_id: int) -> dict[str, Any]:
    """Return one answer for each campaign that is not archived: got it, will get it, or not, and why."""
    campaigns = {campaign.name: campaign for campaign in _newest(session)}
    answers = why(session, user_id, services().kinds)
    return {"answers": [(campaigns[each.campaign], each) for each in answers if each.campaign in campaigns]}


def week(campaigns: Sequence[Campaign], now: datetime) -> Week:
    """Return the coming runs of these campaigns, by the engine that runs them."""
    fired = [each for campaign in campaigns if (each := _fired(campaign, now)).firings]
    lanes = [_lane(each, place, now) for place, each in enumerate(fired)]
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(_x(midnight + _DAY * day, now), f"{midnight + _DAY * day:%a %d}") for day in range(1, 8)]
    return Week(lanes, [(x, label) for x, label in days if x <= WIDTH], _agenda(fired, now))


def _newest(session: Session) -> list[Campaign]:
    """Return campaigns by next run; paused ones, and those without a slot, come last."""
    query = select(Campaign).where(Campaign.state != CampaignState.archived).limit(SHOWN)
    waits = case((Campaign.state == CampaignState.active, 0), else_=1)
    order = (waits, Campaign.next_run_at.is_(None), Campaign.next_run_at, Campaign.title)
    return list(session.scalars(query.order_by(*order)))


def _fired(campaign: Campaign, now: datetime) -> _Fired:
    if campaign.state != CampaignState.active:
        return _Fired(campaign)
    try:
        schedule = schedule_of(campaign, services().kinds)
    except ScheduleError:
        return _Fired(campaign)
    return _Fired(campaign, schedule, schedule_preview.week(schedule, now, 7 * 24 * 60))


def _lane(fired: _Fired, place: int, now: datetime) -> Lane:
    title, often = fired.campaign.title, len(fired.firings) > FEW
    marks, bars = [], []
    for each in () if often else fired.firings:
        words = f"{title}: {fired.words(each)}"
        x = _x(each.run_at, now)
        if fired.by_clocks:
            begin = max(x, 0.0)
            bars.append((begin, round(min(_x(fired.last_at(each), now), WIDTH) - begin, 1), words))
        else:
            marks.append((x, words))
    return Lane(fired.campaign, TOP + LANE * place, marks, bars, often)


def _agenda(fired: Sequence[_Fired], now: datetime) -> list[tuple[date, Sequence[Item]]]:
    """Return the first run of each campaign on each day, and the number of them."""
    days: dict[date, dict[int, Item]] = defaultdict(dict)
    for each in fired:
        for firing in each.firings:
            begins = max(firing.run_at, now).astimezone(UTC)
            day = days[begins.date()]
            when = each.words(firing) if each.by_clocks else ""
            first = day.get(each.campaign.id, Item(begins, each.campaign, 0, when))
            day[each.campaign.id] = replace(first, number=first.number + 1)
    return [(day, sorted(found.values(), key=lambda item: item.at)) for day, found in sorted(days.items())]


def _x(moment: datetime, now: datetime) -> float:
    return round((moment - now) / (7 * _DAY) * (WIDTH - 16) + 8, 1)
