"""The gate: by which transport, how many, and when. Asked before anything is claimed.

What must not go now is deferred in its row, so a worker never sleeps with a claim that it cannot use.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.breaker import Breaker, Change, Go, Probe, Wait
from notifier.delivery.limits import Limits
from notifier.delivery.pace import Pace, domain_key, transport_key
from notifier.delivery.recheck import PAUSE
from notifier.delivery.smtp.outcome import Decision, Outcome, Scope
from notifier.delivery.turns import Turns, domain_of, domains
from notifier.reasons import ReasonCode

#: While one mail finds out whether a held transport works again, the others look again so soon.
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(slots=True)
class Portion:
    """Rows that may go now, by one transport."""

    transport: str
    pks: Sequence[int]
    _report: Callable[["Portion", str, Outcome, datetime], None]
    #: Set while this portion is the one mail that finds out whether a held transport works again.
    probe: Probe | None = None
    #: Why nothing more may be sent: the way was closed meanwhile. None while it is open.
    stopped: ReasonCode | None = field(default=None)

    def report(self, recipient: str, outcome: Outcome, now: datetime) -> None:
        """Tell what a mail of this portion met: it is what the next ones would meet."""
        self._report(self, recipient, outcome, now)


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
        self._turns = None if limits is None else Turns(session, limits)

    def portions(
        self, pks: Sequence[int], *, bulk: bool = False, granted: bool = False
    ) -> Iterator[Portion | Deferred]:
        """The rows in the portions in which they may go, and those that must wait.

        `bulk`: they are of campaigns, whose runs may be paused. `granted`: the limits gave them this moment.
        """
        now = clock.now()
        held = self._of_paused_runs(pks, now) if bulk and not granted else set()
        if held:
            yield Deferred(sorted(held))
            pks = [pk for pk in pks if pk not in held]
        way = self._way(now) if pks else None
        if isinstance(way, Wait):
            self._hold(pks, way)
            yield Deferred(pks)
        elif way is not None:
            yield from self._by(*way, pks, now, bulk=bulk, granted=granted)

    def _by(
        self, name: str, probe: Probe | None, pks: Sequence[int], now: datetime, *, bulk: bool, granted: bool
    ) -> Iterator[Portion | Deferred]:
        """The portions of one transport."""
        ready = self._unpaused(name, pks, now)
        if len(ready) < len(pks):
            yield Deferred(sorted(set(pks) - set(ready)), briefly=True)
        if probe is not None:
            self._defer(ready[1:], now + LOOK_AGAIN, ReasonCode.transport_held)
            ready = ready[:1]
        waiting = set(ready)
        for group in [ready] if granted and ready else self._granted(ready, now, bulk=bulk):
            portion = Portion(name, group, self._reported, probe)
            waiting.difference_update(group)
            yield portion
            probe = portion.probe
        self._give_back(probe, clock.now())
        if waiting:
            yield Deferred(sorted(waiting))

    def _granted(self, pks: Sequence[int], now: datetime, *, bulk: bool) -> Iterator[Sequence[int]]:
        """Those for whom the limits have room soon, in groups, each at its moment; the others wait for a turn."""
        if self._turns is not None and pks:
            yield from self._turns.groups(pks, now, bulk=bulk)
        elif pks:
            yield pks

    def _hold(self, pks: Sequence[int], way: Wait) -> None:
        """No transport is open."""
        self._defer(pks, way.until, ReasonCode.transport_held)
        # A hold that ended meanwhile has woken only what waited already.
        if not all(map(self._breaker.is_held, self._transports)):
            self._wake(clock.now())

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

    def _of_paused_runs(self, pks: Sequence[int], now: datetime) -> set[int]:
        """Those that wait because their run is paused: neither a probe nor a limit is spent on them."""
        held = ledger.hold_paused(self._session(), pks, until=now + PAUSE)
        self._session().commit()
        return held

    def _unpaused(self, transport: str, pks: Sequence[int], now: datetime) -> Sequence[int]:
        """Those whose transport and domain are not asked to slow down; the others are deferred."""
        paused = self._pace.paused(now)
        if not paused:
            return pks
        until = paused.get(transport_key(transport))
        if until is not None:
            self._defer(pks, until, ReasonCode.transport_slowed)
            return []
        return self._in_open_domains(pks, paused)

    def _in_open_domains(self, pks: Sequence[int], paused: Mapping[str, datetime]) -> Sequence[int]:
        ready: list[int] = []
        waiting: dict[datetime, list[int]] = {}
        for pk, domain in domains(self._session(), pks).items():
            until = paused.get(domain_key(domain))
            if until is None:
                ready.append(pk)
            else:
                waiting.setdefault(until, []).append(pk)
        for until, group in waiting.items():
            self._defer(group, until, ReasonCode.domain_slowed)
        return ready

    def _defer(self, pks: Sequence[int], until: datetime, code: ReasonCode) -> None:
        if pks:
            ledger.defer(self._session(), pks, until=until, code=code)
            self._session().commit()

    def _reported(self, portion: Portion, recipient: str, outcome: Outcome, now: datetime) -> None:
        change = self._breaker.report(portion.transport, outcome, now, probe=portion.probe)
        portion.probe = None
        if change is Change.resumed:
            self._wake(now)
        match outcome.decision:
            case Decision.ACCEPTED if self._pace.is_slowing:
                self._pace.eased((transport_key(portion.transport), domain_key(domain_of(recipient))), now)
            case Decision.HOLD:
                portion.stopped = ReasonCode.transport_held
            case Decision.THROTTLE if outcome.scope in {Scope.DOMAIN, Scope.RECIPIENT}:
                self._pace.slow(domain_key(domain_of(recipient)), now)
            case Decision.THROTTLE:
                self._pace.slow(transport_key(portion.transport), now)
                portion.stopped = ReasonCode.transport_slowed

    def _wake(self, now: datetime) -> None:
        """The transport works again: what waited for it is due."""
        ledger.wake(self._session(), code=ReasonCode.transport_held, now=now)
        self._session().commit()
