"""What a schedule means: its words and its next runs, by the engine that fires. For the form and for every page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from notifier.admin import schedule_fields
from notifier.admin.fields import Fields, Problems
from notifier.campaigns.editing import SCHEDULE
from notifier.models import Campaign
from notifier.scheduling import Firing, Schedule, ScheduleError, check, simulate, words
from notifier.scheduling.cron import means_times_of_day

#: Runs that a preview shows.
NEXT = 5

#: Days that a timeline shows.
DAYS = 7


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One run that is to come."""

    slot: datetime
    run_at: datetime
    #: What is special about the clocks on that day; empty on most.
    note: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule in words, or what is wrong with it."""

    words: str
    zone: str
    recipient_local: bool
    runs: list[Upcoming]
    #: It has no schedule: an operator starts it.
    manual: bool
    #: (input, what is wrong)
    wrong: list[tuple[str, str]]


def of_fields(fields: Fields, now: datetime, campaign: Campaign | None = None) -> Preview:
    """What is typed into a form. Without `campaign` intervals count from now."""
    problems = Problems()
    was = {} if campaign is None else {name: getattr(campaign, name) for name in SCHEDULE}
    values = schedule_fields.read(fields, problems, was)
    if problems:
        return Preview("", values["zone"], False, [], False, list(problems.by_field.items()))
    try:
        schedule = of_values(values, now if campaign is None else campaign.created_at)
    except ScheduleError as error:
        place = schedule_fields.field_of(error, fields.one("repeat"))
        return Preview("", values["zone"], False, [], False, [(place, str(error))])
    return of_schedule(schedule, now)


def of_values(values: Mapping[str, Any], anchor: datetime) -> Schedule:
    """The schedule of these columns. Raises ScheduleError."""
    return check(**{name: values.get(name) for name in SCHEDULE}, anchor=anchor)  # type: ignore[arg-type]


def of_campaign(campaign: Campaign, now: datetime) -> Preview:
    """What is stored."""
    try:
        return of_schedule(Schedule.of(campaign), now)
    except ScheduleError as error:
        return Preview("", campaign.zone, False, [], False, [(error.field, str(error))])


def of_schedule(schedule: Schedule, now: datetime) -> Preview:
    """Its words, and the runs on which a tick can still act in time."""
    ahead = (firing for firing in schedule.firings(now) if firing.run_at > now)
    runs = [Upcoming(each.slot, each.run_at, note(schedule, each)) for each in islice(ahead, NEXT)]
    said = words(schedule)
    return Preview(
        said[:1].upper() + said[1:], schedule.zone.key, schedule.recipient_local, runs, schedule.is_manual, []
    )


def note(schedule: Schedule, firing: Firing) -> str:
    """What the clocks do at that moment, for people."""
    if firing.mark == "gap":
        return "The clocks go forward: this time is skipped that day, so it runs right after."
    if firing.mark == "fold":
        once = schedule.cron is None or means_times_of_day(schedule.cron) or schedule.recipient_local
        return "The clocks go back: this time comes twice that day; " + (
            "it runs the first time." if once else "it runs both times."
        )
    return ""


def week(schedule: Schedule, now: datetime, most: int) -> list[Firing]:
    """What fires in the coming seven days, `most` at most."""
    return list(islice(simulate(schedule, now, DAYS), most))
