"""What the form of a campaign lets people choose from: value -> label, or value -> (label, a sentence about it)."""

from collections.abc import Mapping

from notifier.emails.campaign_kind import Reaches
from notifier.english import ordinal

#: How often, as people choose it.
REPEATS = {
    "daily": "Every day",
    "weekly": "Every week",
    "monthly": "Every month",
    "once": "Once, on a date",
    "interval": "Every N hours",
    "manual": "Manually",
    "cron": "Cron expression",
}

#: Those with a time of day of their own.
TIMED = ("daily", "weekly", "monthly", "once")

WEEKDAYS = {
    "1": "Monday", "2": "Tuesday", "3": "Wednesday", "4": "Thursday", "5": "Friday", "6": "Saturday", "0": "Sunday",
}  # fmt: skip

#: Days of a month; the last one as cron writes it.
DAYS = {str(day): f"the {ordinal(day)}" for day in range(1, 32)} | {"L": "the last day"}

#: Which accounts it goes to, by what its kind reaches. The first is what the kind says; an empty list: no choice.
ACCOUNTS: Mapping[Reaches, Mapping[str, str]] = {
    Reaches.confirmed: {
        "": "Confirmed accounts only",
        "any": "All accounts, confirmed or not",
        "no": "Unconfirmed accounts only",
    },
    Reaches.both: {
        "": "All accounts, confirmed or not",
        "yes": "Confirmed accounts only",
        "no": "Unconfirmed accounts only",
    },
    Reaches.unconfirmed: {},
}

#: `Audience.verified` by the values of ACCOUNTS.
VERIFIED: Mapping[str, bool | str] = {"yes": True, "no": False, "any": "any"}

MISFIRES = {
    "run_late": ("Send late", "However late it is, everyone gets their email."),
    "within": ("Send late, within a limit", "Runs that are later than the limit are skipped."),
    "skip": ("Skip", "The missed run is skipped. The next one runs as usual."),
}

ON_UNKNOWN = {
    "never": ("Don\u2019t resend", "No one gets an email twice; occasionally a person gets none."),
    "resend": ("Resend", "No one is missed; occasionally a person gets the same email twice."),
    "ask": ("Ask", "The email waits on the Uncertain page until an operator decides."),
}

START = {
    "paused": ("Keep it paused", "Review it first, then start it."),
    "active": ("Start it", "It runs at its next scheduled time."),
}
