"""Compute the slots of campaigns: by cron, by interval or once, in a time zone. Pure: no clock, no database."""

from notifier.scheduling.cron import check_cron
from notifier.scheduling.descriptions import EACH_ZONE, describe, first_and_last, local_slot, local_time
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.misfires import GRACE, PORTION, Backlog, Judged, backlog, misfired
from notifier.scheduling.schedule import EARLIEST, LATEST, Firing, ReadyAt, Schedule, check, simulate

__all__ = [
    "EACH_ZONE",
    "EARLIEST",
    "GRACE",
    "LATEST",
    "PORTION",
    "Backlog",
    "Firing",
    "Judged",
    "ReadyAt",
    "Schedule",
    "ScheduleError",
    "backlog",
    "check",
    "check_cron",
    "describe",
    "first_and_last",
    "local_slot",
    "local_time",
    "misfired",
    "simulate",
]
