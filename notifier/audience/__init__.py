"""Who gets a campaign's mail at a slot, who does not, and why: one rule for everybody who asks.

The plan counts by it, the expansion owes by it, `why` explains by it, and the sender asks it once more right
before sending.
"""

from notifier.audience.answers import Counts, Judgement, Person, chosen, counts, judge, sample
from notifier.audience.occasions import (
    AudienceError,
    CampaignOccasion,
    Kinds,
    UnknownKind,
    occasion_of,
    occasion_of_run,
    occasions_of,
)
from notifier.audience.rule import ALREADY, OPTED_OUT, SUPPRESSED, Rule
from notifier.audience.settings import Audience, lines_of

__all__ = [
    "ALREADY",
    "OPTED_OUT",
    "SUPPRESSED",
    "Audience",
    "AudienceError",
    "CampaignOccasion",
    "Counts",
    "Judgement",
    "Kinds",
    "Person",
    "Rule",
    "UnknownKind",
    "chosen",
    "counts",
    "judge",
    "lines_of",
    "occasion_of",
    "occasion_of_run",
    "occasions_of",
    "sample",
]
