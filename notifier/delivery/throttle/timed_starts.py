"""Pacing: begin each email of a portion at the moment that the limits gave it, and urgent emails as soon as allowed."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from notifier.delivery.throttle.limit_requests import Request
from notifier.delivery.throttle.rate_limits import Limits
from notifier.smtp.envelope import Later

T = TypeVar("T")

#: Seconds after which an email asks again whether it may begin.
ASK_AGAIN = 0.05


@dataclass(slots=True)
class Turn:
    """Emails under the same limits that begin together."""

    #: Seconds of `time.monotonic`.
    moment: float
    requests: list[Request] = field(default_factory=list)
    #: Whether they may go before their moment, which then stays empty: transactional emails wait behind no campaign.
    urgent: bool = False
    #: Whether they may go now.
    begun: bool = False
    #: `time.monotonic` before which there is no room.
    full_until: float = 0.0

    def wait(self, limits: Limits) -> float:
        """Return the seconds until they may begin or should ask again. 0.0: they may begin, and are counted."""
        if self.begun:
            return 0.0
        now = time.monotonic()
        soonest = max(self.full_until, 0.0 if self.urgent else self.moment)
        if now < soonest:
            return soonest - now
        crowded = limits.begin(self.requests, urgent=self.urgent)
        if crowded == limits.retry_seconds and now < self.moment:
            self.full_until = self.moment
            return self.moment - now
        # A moment once given stays given if Redis is unreachable.
        self.begun = crowded in {0.0, limits.retry_seconds}
        if self.begun:
            return 0.0
        seconds = min(crowded, ASK_AGAIN)
        self.full_until = now + seconds
        return seconds


class Pacing:
    """Tell the sending thread when the next email begins."""

    def __init__(self, turns: Sequence[Turn], limits: Limits) -> None:
        """Pace `turns`, sorted by moment."""
        self._limits = limits
        self._turns = {request.pk: turn for turn in turns for request in turn.requests}
        #: Their requests and keys, sorted by moment.
        self.requests = [request for turn in turns for request in turn.requests]
        self.pks = list(self._turns)
        self._line_of = {request.pk: limits.line(request) for request in self.requests}

    def wait(self, pk: int) -> float:
        """Return the seconds until this email may begin or should ask again. 0.0: now."""
        return self._turns[pk].wait(self._limits)

    def in_turn(self, emails: Iterator[T], key: Callable[[T], int], is_open: Callable[[], bool]) -> Iterator[T | Later]:
        """Yield each email when it may begin; one whose limit is full does not delay those under other limits.

        `emails` are sorted by moment and taken one at a time, when the next moment comes. Once `is_open()` is False all
        are yielded at once: they are not to be sent.
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
        """Return the seconds until the moment of the email with this index; 0.0 if there is none."""
        if number >= len(self.pks):
            return 0.0
        turn = self._turns[self.pks[number]]
        return 0.0 if turn.urgent else turn.moment - time.monotonic()
