"""Refusals of content: a campaign that mail servers take for spam is paused before it ruins our name.

What is refused for its content is refused for the next recipient too, and every refusal counts against the sender.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog

from notifier.smtp.outcome import Decision, Outcome, Scope

log = structlog.get_logger(__name__)

#: Mails of a campaign that must have come to an end before a share of them means anything.
LEAST = 50

#: When so many have, what was long ago counts half: a campaign that was fine for years can still be stopped.
MEMORY = 1000

#: Pauses a campaign: (its key, the reason in words).
Pause = Callable[[int, str], None]


@dataclass(slots=True)
class _Count:
    ended: float = 0
    refused: float = 0


class Refusals:
    """What this process has met, by campaign. One instance serves all threads."""

    def __init__(self, pause: Pause, *, share: float) -> None:
        """`share` of 1: more than this refused for their content pauses the campaign."""
        self._pause = pause
        self._share = share
        self._counts: dict[int, _Count] = {}
        self._lock = Lock()

    def too_many(self, campaign_id: int, outcome: Outcome) -> bool:
        """Count how a mail ended. True where that was one too many: the campaign is paused now."""
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
            # Whoever resumes it has looked at it: it starts anew.
            del self._counts[campaign_id]
        reason = (
            f"mail servers reject its content: {count.refused:.0f} of the last {count.ended:.0f} emails, "
            f"now {outcome.code} {outcome.text}"
        )
        log.error("campaign.content_refused", campaign=campaign_id, refused=count.refused, ended=count.ended)
        self._pause(campaign_id, reason)
        return True
