"""Preview of a schedule: its description and its next runs, by the engine that runs it.

For the form and for all pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from notifier.admin.campaigns.form import CampaignForm
from notifier.audience import AudienceError, Kinds, occasion_of
from notifier.campaigns.editing import SCHEDULE
from notifier.campaigns.slots import schedule_of, step_after
from notifier.models import Campaign
from notifier.scheduling import (
    EARLIEST,
    LATEST,
    Firing,
    Schedule,
    ScheduleError,
    check,
    describe,
    local_time,
    simulate,
)
from notifier.scheduling.cron import means_times_of_day

#: Runs that a preview shows.
NEXT = 5

#: The inputs of a schedule.
INPUTS = frozenset(
    {"repeat", "weekday", "day", "date", "every-number", "cron", "at", "zone", "recipient_local", "start_at", "end_at"}
)

#: Days that a timeline shows.
DAYS = 7


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One upcoming run."""

    slot: datetime
    run_at: datetime
    #: The daylight-saving change on that day; empty on most days.
    note: str
    #: When it is sent, if that is in each recipient's time zone. Else empty.
    when: str


@dataclass(frozen=True, slots=True)
class SchedulePreview:
    """The description of a schedule, or what is wrong with it."""

    words: str
    zone: str
    recipient_local: bool
    runs: list[Upcoming]
    #: Whether it has no schedule: an operator starts it.
    manual: bool
    #: (input, what is wrong)
    wrong: list[tuple[str, str]]
    #: The kind's remark about when its emails are sent.
    timing: str = ""


def of_form(form: CampaignForm, now: datetime) -> SchedulePreview:
    """Return what the form says of the schedule, even if something else in it is wrong.

    Intervals of a new campaign count from now.
    """
    meant, zone = form.draft, form.schedule["zone"]
    wrong = [(place, words) for place, words in form.problems.items() if place in INPUTS]
    if wrong:
        return SchedulePreview("", zone, False, [], False, wrong)
    if meant is not None:
        return of_campaign(meant, now, form.kinds)
    try:
        return of_schedule(of_values(form.schedule, now if form.campaign is None else form.campaign.created_at), now)
    except ScheduleError as error:
        return SchedulePreview("", zone, False, [], False, [(error.field, str(error))])


def of_values(values: Mapping[str, Any], anchor: datetime) -> Schedule:
    """Return the schedule of these columns. Raise ScheduleError."""
    return check(**{name: values.get(name) for name in SCHEDULE}, anchor=anchor)  # type: ignore[arg-type]


def of_campaign(campaign: Campaign, now: datetime, kinds: Kinds) -> SchedulePreview:
    """Preview a campaign, stored or not."""
    try:
        schedule = schedule_of(campaign, kinds)
    except ScheduleError as error:
        return SchedulePreview("", campaign.zone, False, [], False, [(error.field, str(error))])
    preview = of_schedule(schedule, now)
    slot = preview.runs[0].slot if preview.runs else now
    try:
        occasion = occasion_of(campaign, slot, kinds)
    except AudienceError:
        return preview
    return replace(preview, timing=occasion.kind_of.timing(occasion, step_after(schedule, slot)))


def of_schedule(schedule: Schedule, now: datetime) -> SchedulePreview:
    """Preview a schedule: its description, and the runs on which a tick can still act in time."""
    ahead = (firing for firing in schedule.firings(now) if firing.run_at > now)
    runs = [_upcoming(schedule, each) for each in islice(ahead, NEXT)]
    said = describe(schedule)
    return SchedulePreview(
        said[:1].upper() + said[1:], schedule.zone.key, schedule.recipient_local, runs, schedule.is_manual, []
    )


def _upcoming(schedule: Schedule, firing: Firing) -> Upcoming:
    when = local_time(schedule, firing.slot) if schedule.recipient_local else ""
    return Upcoming(firing.slot, firing.run_at, note(schedule, firing), when)


def note(schedule: Schedule, firing: Firing) -> str:
    """Return a remark on the daylight-saving change at that moment, for people."""
    if firing.mark == "gap":
        return "Daylight-saving change: this time is skipped that day, so it runs right after."
    if firing.mark == "fold":
        once = schedule.cron is None or means_times_of_day(schedule.cron) or schedule.recipient_local
        return "Daylight-saving change: this time occurs twice that day; " + (
            "it runs the first time." if once else "it runs both times."
        )
    return ""


def week(schedule: Schedule, now: datetime, most: int) -> list[Firing]:
    """Return at most `most` slots of the next seven days.

    Earlier ones that are still being sent in some time zones are included.
    """
    end = now + timedelta(days=DAYS)
    before, after = (LATEST + EARLIEST, EARLIEST) if schedule.recipient_local else (timedelta(0), timedelta(0))
    fired = simulate(schedule, now - before, DAYS + (before + after) / timedelta(days=1))
    seen = (each for each in fired if schedule.last_at(each.slot) >= now and each.run_at < end)
    return list(islice(seen, most))
