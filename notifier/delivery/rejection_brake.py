"""Pause a campaign whose content mail servers reject as spam, before it ruins the sender's reputation.

Content that was rejected for one recipient is rejected for the next, and each rejection counts against the sender.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog

from notifier.smtp.outcome import Decision, Outcome, Scope

log = structlog.get_logger(__name__)

#: Emails of a campaign that must have ended before the share of rejected ones means anything.
LEAST = 50

#: After this many emails all counts are halved, so that a campaign that was fine for years can still be stopped.
MEMORY = 1000

#: Pauses a campaign: (its key, the reason for people).
Pause = Callable[[int, str], None]


@dataclass(slots=True)
class _Count:
    ended: float = 0
    refused: float = 0


class Refusals:
    """The rejections that this process has met, by campaign. One instance serves all threads."""

    def __init__(self, pause: Pause, *, share: float) -> None:
        """Pause a campaign if more than `share` (0 to 1) of its emails are rejected for their content."""
        self._pause = pause
        self._share = share
        self._counts: dict[int, _Count] = {}
        self._lock = Lock()

    def too_many(self, campaign_id: int, outcome: Outcome) -> bool:
        """Count how an email ended. Return True if this call paused the campaign."""
        if outcome.decision not in {Decision.ACCEPTED, Decision.FAIL, Decision.BOUNCE}:
            return False
        refused = outcome.decision is Decision.FAIL and outcome.scope is Scope.CONTENT and outcome.code is not None
        with self._lock:
            count = self._counts.setdefault(campaign_id, _Count())
            count.ended += 1
            count.refused += refused
            if count.ended > MEMORY:
                count.ended, count.refused = count.ended / 2, count.refused / 2
            if not refused or count.ended < LEAST or count.refused <= self._share * count.ended:
                return False
            # An operator who resumes the campaign has looked at it, so the count starts anew.
            del self._counts[campaign_id]
        reason = (
            f"mail servers reject its content: {count.refused:.0f} of the last {count.ended:.0f} emails, "
            f"now {outcome.code} {outcome.text}"
        )
        log.error("campaign.content_refused", campaign=campaign_id, refused=count.refused, ended=count.ended)
        self._pause(campaign_id, reason)
        return True
