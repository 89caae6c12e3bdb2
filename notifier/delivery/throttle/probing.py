"""What holds of transports and of providers share: when the next probe is due, and the reason they keep."""

from dataclasses import dataclass
from datetime import timedelta

from notifier.security.redaction import without_addresses
from notifier.smtp.outcome import MAX_TEXT, Outcome


@dataclass(frozen=True, slots=True)
class Probing:
    """Times between probes, the single emails that find out whether a hold is over.

    The first comes `first` seconds after the hold began; each further wait is twice as long, up to `longest` seconds.
    """

    first: float = 60.0
    longest: float = 300.0

    def interval(self, probes: int) -> timedelta:
        """Return the time from the probe with this number (0: the hold itself) to the next one."""
        return timedelta(seconds=min(self.first * 2 ** min(probes, 30), self.longest))


PROBING = Probing()


def text_of(outcome: Outcome) -> str:
    """Return the text of an outcome without addresses: servers like to quote them, and this goes into logs."""
    return without_addresses(outcome.text)[:MAX_TEXT]
