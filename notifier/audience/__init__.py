"""Who gets a campaign's email at a slot, who does not, and why: one rule for all callers.

The plan counts by it, the expansion adds rows by it, `why` explains by it, and the sender rechecks it right before
sending.
"""

from notifier.audience.answers import Counts, Judgement, Person, chosen, counts, judge, sample
from notifier.audience.occasions import (
    ACCOUNTS,
    UNCONFIRMED_WARNING,
    AudienceError,
    CampaignOccasion,
    Kinds,
    UnknownKind,
    occasion_of,
    occasion_of_run,
    occasions_of,
    reached,
    warning_of,
)
from notifier.audience.rule import ALREADY, NOT_CONFIRMED, OPTED_OUT, SUPPRESSED, AudienceRule
from notifier.audience.settings import Audience, lines_of

__all__ = [
    "ACCOUNTS",
    "ALREADY",
    "NOT_CONFIRMED",
    "OPTED_OUT",
    "SUPPRESSED",
    "UNCONFIRMED_WARNING",
    "Audience",
    "AudienceError",
    "AudienceRule",
    "CampaignOccasion",
    "Counts",
    "Judgement",
    "Kinds",
    "Person",
    "UnknownKind",
    "chosen",
    "counts",
    "judge",
    "lines_of",
    "occasion_of",
    "occasion_of_run",
    "occasions_of",
    "reached",
    "sample",
    "warning_of",
]
