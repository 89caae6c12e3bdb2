"""The gate: decide before a claim which transport sends an email, how many go at once, and when.

Emails that must not go now are deferred in their rows, so a worker never sleeps on a claim that it cannot use.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.recheck import PAUSE
from notifier.delivery.throttle.breaker import Breaker, Go, HoldChange, Probe, Wait
from notifier.delivery.throttle.first_emails import SLOWED_KEY, FirstEmails
from notifier.delivery.throttle.provider_holds import HoldProbe, ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.routes import Closed, Detained, Route, Routes
from notifier.delivery.throttle.slowdowns import Pace, domain_key, provider_key, transport_key
from notifier.delivery.throttle.turns import Turns, domain_of, domains
from notifier.mail import providers
from notifier.reasons import ReasonCode
from notifier.smtp.outcome import Decision, Outcome, Scope

#: Time until the other emails look again while one probes a held transport.
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(slots=True)
class Portion:
    """Rows that may go now through one transport."""

    transport: str
    pks: Sequence[int]
    _report: Callable[["Portion", str, Outcome, datetime], None]
    #: Set while this portion is the one email that probes a held transport.
    probe: Probe | None = None
    #: Domain -> the probe that the one row at this domain is. The portions of a route share it.
    probes: dict[str, HoldProbe] = field(default_factory=dict)
    #: Why this portion must send nothing more. None while it may.
    stopped: ReasonCode | None = field(default=None)
    #: Keys of its rows that were skipped because they are to be composed alone.
    solitary: list[int] = field(default_factory=list)
    #: Scope (`providers.scope_of`) -> why nothing more may be sent there.
    closed: dict[str, Closed] = field(default_factory=dict)

    def closed_to(self, recipient: str) -> Closed | None:
        """Return why this portion may no longer send to this recipient; None if it may."""
        if not self.closed:
            return None
        closed = self.closed.get(providers.scope_of(domain_of(recipient)))
        return closed if closed is not None and closed.is_closed(clock.now()) else None

    def report(self, recipient: str, outcome: Outcome, now: datetime) -> None:
        """Report the outcome of an email of this portion: the next ones would meet the same."""
        self._report(self, recipient, outcome, now)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Rows that must not go now. Each row says until when, and why."""

    pks: Sequence[int]
    #: True if a server only asked us to slow down.
    briefly: bool = False


class Gate:
    """Breaker, pace and limits in one place. Without trouble and without limits it costs nothing."""

    def __init__(
        self,
        session: Callable[[], Session],
        breaker: Breaker,
        pace: Pace,
        *,
        transports: Sequence[str],
        choose: Callable[[Sequence[str]], str],
        limits: Limits | None = None,
        first_emails: FirstEmails | None = None,
        holds: ProviderHolds | None = None,
        members: Members | None = None,
    ) -> None:
        """Choose among `transports`, by name; `choose` picks one of those that are not held.

        Args:
            limits: None if no limit is set.
            first_emails: None if sign-ups have no limits.
            holds: Which providers refuse us.
            members: Which domains are customers of which provider.
        """
        self._session = session
        self._breaker = breaker
        self._pace = pace
        self._transports = transports
        self._choose = choose
        self._routes = Routes(session, holds or ProviderHolds(session), pace, choose, members)
        self._turns = None if limits is None else Turns(session, limits)
        self._first_emails = first_emails

    def portions(
        self, pks: Sequence[int], *, bulk: bool = False, granted: bool = False
    ) -> Generator[Portion | Deferred, None, None]:
        """Yield the rows in the portions in which they may go, and those that must wait.

        Args:
            bulk: The rows belong to campaigns, whose runs may be paused.
            granted: The limits have given the rows this moment already.
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
            yield from self._by_routes(*way, pks, now, bulk=bulk, granted=granted)

    def _by_routes(
        self,
        name: str,
        open_: Sequence[str],
        probe: Probe | None,
        pks: Sequence[int],
        now: datetime,
        *,
        bulk: bool,
        granted: bool,
    ) -> Generator[Portion | Deferred, None, None]:
        """Yield the portions through `name`, or through other transports if a provider refuses us there."""
        if self._routes.are_clear(now, bulk=bulk):
            yield from self._by(Route(name, list(pks)), probe, now, bulk=bulk, granted=granted)
            return
        parts = list(self._routes.of(pks, name, open_, now, bulk=bulk))
        try:
            for part in parts:
                if isinstance(part, Detained):
                    self._routes.detain(part)
                    yield Deferred(part.pks, briefly=part.code is ReasonCode.provider_slowed)
                else:
                    mine, probe = probe, None
                    yield from self._by(part, mine, now, bulk=bulk, granted=granted)
        finally:
            self._give_back(probe, clock.now())
            for route in parts:
                if isinstance(route, Route):
                    self._routes.give_back(route, clock.now())

    def _by(
        self, route: Route, probe: Probe | None, now: datetime, *, bulk: bool, granted: bool
    ) -> Generator[Portion | Deferred, None, None]:
        """Yield the portions of one transport."""
        ready = self._unpaused(route.transport, route.pks, now)
        if len(ready) < len(route.pks):
            yield Deferred(sorted(set(route.pks) - set(ready)), briefly=True)
        if probe is not None:
            self._defer(ready[1:], now + LOOK_AGAIN, ReasonCode.transport_held)
            ready = ready[:1]
        waiting = set(ready)
        portion = Portion(route.transport, (), self._reported, probe)
        try:
            for group in [ready] if granted and ready else self._granted(ready, now, bulk=bulk):
                portion = Portion(route.transport, group, self._reported, portion.probe, route.probes)
                waiting.difference_update(group)
                yield portion
        finally:
            self._give_back(portion.probe, clock.now())
            self._routes.give_back(route, clock.now())
        if waiting:
            yield Deferred(sorted(waiting))

    def _granted(self, pks: Sequence[int], now: datetime, *, bulk: bool) -> Iterator[Sequence[int]]:
        """Yield the rows for which the limits have room soon, in groups, each at its moment.

        The others wait for a turn.
        """
        if self._turns is not None and pks:
            yield from self._turns.groups(pks, now, bulk=bulk)
        elif pks:
            yield pks

    def _hold(self, pks: Sequence[int], way: Wait) -> None:
        """Defer all rows, because no transport is open."""
        self._defer(pks, way.until, ReasonCode.transport_held)
        # A hold that ended in between has woken only the rows that waited already.
        if not all(map(self._breaker.is_held, self._transports)):
            self._wake(clock.now())

    def _give_back(self, probe: Probe | None, now: datetime) -> None:
        """Give back a probe that no email was sent for; the next caller gets it."""
        if probe is not None:
            self._breaker.unused(probe, now)

    def _way(self, now: datetime) -> tuple[str, Sequence[str], Probe | None] | Wait:
        """Return a transport, the open transports and the probe that is due, if the transport is held.

        If all are held, return the wait until the first of them may be probed.
        """
        answers: dict[str, Go | Wait] = {}
        for name in self._transports:
            answer = self._breaker.ask(name, now)
            if isinstance(answer, Probe):
                return (
                    name,
                    [name],
                    answer,
                )  # asking the others could take their probes, which would be lost for minutes
            answers[name] = answer
        open_ = [name for name, answer in answers.items() if isinstance(answer, Go)]
        if open_:
            return self._choose(open_), open_, None
        return min((answer for answer in answers.values() if isinstance(answer, Wait)), key=lambda wait: wait.until)

    def _of_paused_runs(self, pks: Sequence[int], now: datetime) -> set[int]:
        """Return the rows of paused runs, deferred: no probe and no limit is spent on them."""
        held = ledger.hold_paused(self._session(), pks, until=now + PAUSE)
        self._session().commit()
        return held

    def _unpaused(self, transport: str, pks: Sequence[int], now: datetime) -> Sequence[int]:
        """Return the rows whose transport and domain did not ask us to slow down. The others are deferred."""
        paused = self._pace.paused(now)
        if not paused:
            return pks
        if SLOWED_KEY in paused and self._first_emails is not None:
            pks = self._first_emails.ready(pks, now)
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

    def _defer(self, pks: Sequence[int], until: datetime, code: ReasonCode, **details: str) -> None:
        if pks:
            ledger.defer(self._session(), pks, until=until, code=code, **details)
            self._session().commit()

    def _reported(self, portion: Portion, recipient: str, outcome: Outcome, now: datetime) -> None:
        change = self._breaker.report(portion.transport, outcome, now, probe=portion.probe)
        portion.probe = None
        if change is HoldChange.resumed:
            self._wake(now)
        domain = domain_of(recipient)
        if portion.probes or outcome.scope is Scope.PROVIDER:
            self._routes.report(portion.transport, domain, outcome, now, probe=portion.probes.pop(domain, None))
        match outcome.decision:
            case Decision.ACCEPTED if self._pace.is_slowing:
                by_provider = provider_key(portion.transport, providers.scope_of(domain))
                self._pace.eased((transport_key(portion.transport), domain_key(domain), by_provider), now)
            case Decision.HOLD | Decision.THROTTLE if outcome.scope is Scope.PROVIDER:
                # Only this provider's rows wait; the rest of the portion goes on.
                closed = self._routes.closed(portion.transport, domain, outcome, now)
                portion.closed[closed.scope] = closed
            case Decision.HOLD:
                portion.stopped = ReasonCode.transport_held
            case Decision.THROTTLE if outcome.scope in {Scope.DOMAIN, Scope.RECIPIENT}:
                self._pace.slow(domain_key(domain), now)
            case Decision.THROTTLE:
                self._pace.slow(transport_key(portion.transport), now)
                portion.stopped = ReasonCode.transport_slowed

    def _wake(self, now: datetime) -> None:
        """Wake the rows that waited for a transport that works again."""
        ledger.wake(self._session(), code=ReasonCode.transport_held, now=now)
        self._session().commit()
