"""Holds in general: when the next probe is due, and what is kept of the reason."""

from dataclasses import dataclass
from datetime import timedelta

from notifier.security.redaction import without_addresses
from notifier.smtp.outcome import MAX_TEXT, Outcome


@dataclass(frozen=True, slots=True)
class Probing:
    """How often one email finds out whether a hold is over: `first` seconds after it began, then after twice as long
    each time, `longest` seconds at most.
    """

    first: float = 60.0
    longest: float = 300.0

    def interval(self, probes: int) -> timedelta:
        """Return the time from the probe with this number (0: the hold itself) to the next one."""
        return timedelta(seconds=min(self.first * 2 ** min(probes, 30), self.longest))


PROBING = Probing()


def text_of(outcome: Outcome) -> str:
    """Return the text of an outcome for a hold. Servers like to quote addresses, and this goes into logs."""
    return without_addresses(outcome.text)[:MAX_TEXT]
