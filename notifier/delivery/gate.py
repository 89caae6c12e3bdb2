"""The gate: by which transport, how many, and when. Asked before anything is claimed.

What must not go now is deferred in its row, so a worker never sleeps with a claim that it cannot use.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.breaker import Breaker, Change, Go, Probe, Wait
from notifier.delivery.limits import Limits, Request
from notifier.delivery.pace import Pace, domain_key, transport_key
from notifier.delivery.smtp.outcome import Decision, Outcome, Scope
from notifier.delivery.verdict import HELD
from notifier.models import Notification

SLOWED = "the mail server asked us to slow down"
SLOWED_DOMAIN = "the recipient's domain asked us to slow down"

LIMITED = "a rate limit is in force"

#: Mails whose moments lie so close together, in seconds, go together.
TOGETHER = 0.02

#: While one mail finds out whether a held transport works again, the others look again so soon.
LOOK_AGAIN = timedelta(seconds=5)


def domain_of(address: str) -> str:
    """The recipient domain, as limits and pauses know it."""
    return address.rpartition("@")[2].lower()


@dataclass(slots=True)
class Portion:
    """Rows that may go now, by one transport."""

    transport: str
    pks: Sequence[int]
    _report: Callable[["Portion", str, Outcome], None]
    #: Set while this portion is the one mail that finds out whether a held transport works again.
    probe: Probe | None = None
    #: Why nothing more may be sent: the way was closed meanwhile. Empty while it is open.
    stopped: str = field(default="")

    def report(self, recipient: str, outcome: Outcome) -> None:
        """Tell what a mail of this portion met: it is what the next ones would meet."""
        self._report(self, recipient, outcome)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Rows that must not go now; their rows say until when and why."""

    pks: Sequence[int]
    #: Not because something is broken, but because somebody asked for a moment's patience.
    briefly: bool = False


class Gate:
    """Breaker, pauses and limits in one place. While nothing is wrong and no limit set it costs nothing."""

    def __init__(
        self,
        session: Callable[[], Session],
        breaker: Breaker,
        pace: Pace,
        *,
        transports: Sequence[str],
        choose: Callable[[Sequence[str]], str],
        limits: Limits | None = None,
    ) -> None:
        """`transports` are all names; `choose` picks one of those that are not held.

        `limits` is None where none is set.
        """
        self._session = session
        self._breaker = breaker
        self._pace = pace
        self._transports = transports
        self._choose = choose
        self._limits = limits

    def portions(self, pks: Sequence[int]) -> Iterator[Portion | Deferred]:
        """The rows in the portions in which they may go, and those that must wait."""
        now = clock.now()
        way = self._way(now)
        if isinstance(way, Wait):
            self._defer(pks, way.until, HELD)
            # A hold that ended meanwhile has woken only what waited already.
            if not all(map(self._breaker.is_held, self._transports)):
                self._wake(clock.now())
            yield Deferred(pks)
            return
        name, probe = way
        ready = self._unpaused(name, pks, now)
        if len(ready) < len(pks):
            yield Deferred(sorted(set(pks) - set(ready)), briefly=True)
        if probe is not None:
            self._defer(ready[1:], now + LOOK_AGAIN, HELD)
            ready = ready[:1]
        waiting = set(ready)
        for group in self._granted(ready, now):
            portion = Portion(name, group, self._reported, probe)
            waiting.difference_update(group)
            yield portion
            probe = portion.probe
        self._give_back(probe, clock.now())
        if waiting:
            yield Deferred(sorted(waiting), briefly=True)

    def _give_back(self, probe: Probe | None, now: datetime) -> None:
        """No mail was sent for it: the next one who asks gets it."""
        if probe is not None:
            self._breaker.unused(probe, now)

    def _way(self, now: datetime) -> tuple[str, Probe | None] | Wait:
        """A transport and, where it is held, the probe that is due; or until when all of them are held."""
        answers: dict[str, Go | Wait] = {}
        for name in self._transports:
            answer = self._breaker.ask(name, now)
            if isinstance(answer, Probe):
                return name, answer  # the others are not asked: a probe that nobody uses is lost for minutes
            answers[name] = answer
        open_ = [name for name, answer in answers.items() if isinstance(answer, Go)]
        if open_:
            return self._choose(open_), None
        return min((answer for answer in answers.values() if isinstance(answer, Wait)), key=lambda wait: wait.until)

    def _unpaused(self, transport: str, pks: Sequence[int], now: datetime) -> Sequence[int]:
        """Those whose transport and domain are not asked to slow down; the others are deferred."""
        paused = self._pace.paused(now)
        if not paused:
            return pks
        until = paused.get(transport_key(transport))
        if until is not None:
            self._defer(pks, until, SLOWED)
            return []
        return self._in_open_domains(pks, paused)

    def _in_open_domains(self, pks: Sequence[int], paused: Mapping[str, datetime]) -> Sequence[int]:
        ready: list[int] = []
        waiting: dict[datetime, list[int]] = {}
        for pk, domain in self._domains(pks).items():
            until = paused.get(domain_key(domain))
            if until is None:
                ready.append(pk)
            else:
                waiting.setdefault(until, []).append(pk)
        for until, group in waiting.items():
            self._defer(group, until, SLOWED_DOMAIN)
        return ready

    def _granted(self, pks: Sequence[int], now: datetime) -> Iterator[Sequence[int]]:
        """Those for whom the limits have room soon, in groups, each at its moment; the others are deferred.

        It sleeps between the groups, before anything is claimed.
        """
        if self._limits is None or not pks:
            yield from [pks] if pks else []
            return
        requests = {pk: Request(pk, domain) for pk, domain in self._domains(pks).items()}
        started = time.monotonic()
        groups: dict[int, list[int]] = {}
        later: dict[int, list[int]] = {}
        for grant in self._limits.reserve(list(requests.values())):
            if grant.delay is None:
                later.setdefault(ceil(grant.retry_in or 1.0), []).append(grant.pk)
            else:
                groups.setdefault(ceil(grant.delay / TOGETHER), []).append(grant.pk)
        for seconds, group in later.items():
            self._defer(group, now + timedelta(seconds=seconds), LIMITED)
        held = {pk for group in groups.values() for pk in group}
        try:
            for moment, group in sorted(groups.items()):
                time.sleep(max(0.0, started + moment * TOGETHER - time.monotonic()))
                yield group
                self._limits.release([requests[pk] for pk in group])
                held.difference_update(group)
        finally:
            self._limits.release([requests[pk] for pk in held])

    def _domains(self, pks: Sequence[int]) -> dict[int, str]:
        query = select(Notification.id, Notification.recipient).where(Notification.id.in_(pks))
        found = {pk: domain_of(recipient) for pk, recipient in self._session().execute(query)}
        self._session().rollback()
        return {pk: found[pk] for pk in pks if pk in found}

    def _defer(self, pks: Sequence[int], until: datetime, reason: str) -> None:
        if pks:
            ledger.defer(self._session(), pks, until=until, reason=reason)
            self._session().commit()

    def _reported(self, portion: Portion, recipient: str, outcome: Outcome) -> None:
        now = clock.now()
        change = self._breaker.report(portion.transport, outcome, now, probe=portion.probe)
        portion.probe = None
        if change is Change.resumed:
            self._wake(now)
        match outcome.decision:
            case Decision.ACCEPTED:
                self._pace.eased((transport_key(portion.transport), domain_key(domain_of(recipient))), now)
            case Decision.HOLD:
                portion.stopped = HELD
            case Decision.THROTTLE if outcome.scope in {Scope.DOMAIN, Scope.RECIPIENT}:
                self._pace.slow(domain_key(domain_of(recipient)), now)
            case Decision.THROTTLE:
                self._pace.slow(transport_key(portion.transport), now)
                portion.stopped = SLOWED

    def _wake(self, now: datetime) -> None:
        """The transport works again: what waited for it is due."""
        ledger.wake(self._session(), reason=HELD, now=now)
        self._session().commit()
