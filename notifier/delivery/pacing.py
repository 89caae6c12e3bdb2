"""Pacing: the emails of one portion, each at the moment that the limits gave it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from notifier.delivery.limits import AWAY, Limits, Request

#: Seconds that an email waits at most before it asks again whether it may begin.
ASK_AGAIN = 0.05


@dataclass(slots=True)
class Turn:
    """Emails that begin together."""

    #: Seconds of `time.monotonic`.
    moment: float
    requests: list[Request] = field(default_factory=list)
    #: They may.
    begun: bool = False


class Pacing:
    """Tells the thread that sends when the next one begins."""

    def __init__(self, turns: Sequence[Turn], limits: Limits) -> None:
        """`turns` in the order of their moments."""
        self._limits = limits
        self._turns = {request.pk: turn for turn in turns for request in turn.requests}
        #: What they asked for, and their keys, in the order of their moments.
        self.requests = [request for turn in turns for request in turn.requests]
        self.pks = list(self._turns)

    def wait(self, pk: int) -> float:
        """Return the seconds until this email may begin, or until it makes sense to ask again; 0.0: now."""
        turn = self._turns[pk]
        if turn.begun:
            return 0.0
        early = turn.moment - time.monotonic()
        if early > 0:
            return early
        crowded = self._limits.begin(turn.requests)
        # A moment that was given stays given where Redis is away.
        turn.begun = crowded in {0.0, AWAY}
        return 0.0 if turn.begun else min(crowded, ASK_AGAIN)
