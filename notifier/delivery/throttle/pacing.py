"""Pacing: the emails of one portion, each at the moment that the limits gave it; what is urgent as soon as it may."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from notifier.delivery.throttle.asking import Request
from notifier.delivery.throttle.limits import REDIS_RETRY_SECONDS, Limits
from notifier.smtp.envelope import Later

T = TypeVar("T")

#: Seconds that an email waits at most before it asks again whether it may begin.
ASK_AGAIN = 0.05


@dataclass(slots=True)
class Turn:
    """Emails that begin together; they are under the same limits."""

    #: Seconds of `time.monotonic`.
    moment: float
    requests: list[Request] = field(default_factory=list)
    #: They may go before their moment, which then stays empty: people's own email waits behind no campaign.
    urgent: bool = False
    #: They may.
    begun: bool = False
    #: There is no room before, seconds of `time.monotonic`.
    full_until: float = 0.0

    def wait(self, limits: Limits) -> float:
        """Return the seconds until they may begin, or until it makes sense to ask again; 0.0: now, and they count."""
        if self.begun:
            return 0.0
        now = time.monotonic()
        soonest = max(self.full_until, 0.0 if self.urgent else self.moment)
        if now < soonest:
            return soonest - now
        crowded = limits.begin(self.requests, urgent=self.urgent)
        if crowded == REDIS_RETRY_SECONDS and now < self.moment:
            self.full_until = self.moment
            return self.moment - now
        # A moment that was given stays given where Redis is away.
        self.begun = crowded in {0.0, REDIS_RETRY_SECONDS}
        if self.begun:
            return 0.0
        seconds = min(crowded, ASK_AGAIN)
        self.full_until = now + seconds
        return seconds


class Pacing:
    """Tells the thread that sends when the next one begins."""

    def __init__(self, turns: Sequence[Turn], limits: Limits) -> None:
        """`turns` in the order of their moments."""
        self._limits = limits
        self._turns = {request.pk: turn for turn in turns for request in turn.requests}
        #: What they asked for, and their keys, in the order of their moments.
        self.requests = [request for turn in turns for request in turn.requests]
        self.pks = list(self._turns)
        self._line_of = {request.pk: limits.line(request) for request in self.requests}

    def wait(self, pk: int) -> float:
        """Return the seconds until this email may begin, or until it makes sense to ask again; 0.0: now."""
        return self._turns[pk].wait(self._limits)

    def in_turn(self, emails: Iterator[T], key: Callable[[T], int], is_open: Callable[[], bool]) -> Iterator[T | Later]:
        """The emails, each when it may begin: one whose limit is full keeps none waiting that is under another.

        `emails` come in the order of their moments and are taken one at a time, when the moment of the next one comes.
        Once it is not open any more, all come at once: they are not to be sent.
        """
        lines: dict[tuple[str, ...], deque[T]] = {}
        numbers = {pk: number for number, pk in enumerate(self.pks)}
        taken, dry = 0, False
        while is_open() and not (dry and not lines):
            ready = [name for name, line in lines.items() if self.wait(key(line[0])) == 0]
            for name in ready:
                yield lines[name].popleft()
                if not lines[name]:
                    del lines[name]
            coming = self._coming(taken)
            if not dry and (not lines or coming <= 0):
                email = next(emails, None)
                if email is None:
                    dry = True
                else:
                    taken = numbers[key(email)] + 1
                    lines.setdefault(self._line_of[key(email)], deque()).append(email)
            elif lines and not ready:
                waits = [self.wait(key(line[0])) for line in lines.values()]
                yield Later(min(waits if dry else [*waits, coming]))
        for line in lines.values():
            yield from line
        yield from emails

    def _coming(self, number: int) -> float:
        """Seconds until the moment of the email with this number comes; there may be none."""
        if number >= len(self.pks):
            return 0.0
        turn = self._turns[self.pks[number]]
        return 0.0 if turn.urgent else turn.moment - time.monotonic()
