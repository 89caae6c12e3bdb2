"""When campaigns are due: cron or interval or once, with a zone, as slots. Pure: no clock, no database."""

from notifier.scheduling.cron import check_cron
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.misfires import GRACE, PORTION, Backlog, Judged, backlog, misfired
from notifier.scheduling.schedule import Firing, Schedule, check, simulate
from notifier.scheduling.wording import words

__all__ = [
    "GRACE",
    "PORTION",
    "Backlog",
    "Firing",
    "Judged",
    "Schedule",
    "ScheduleError",
    "backlog",
    "check",
    "check_cron",
    "misfired",
    "simulate",
    "words",
]
