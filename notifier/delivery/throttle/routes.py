"""Routes: choose the transport of each row while providers hold or slow us. Otherwise it costs nothing.

Of a batch only the rows of the provider in question wait or take another transport; the others go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.throttle.provider_holds import Held, HoldProbe, ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.slowdowns import PROVIDER, Pace, provider_key
from notifier.delivery.throttle.turns import domains
from notifier.mail import providers
from notifier.reasons import ReasonCode, sentence
from notifier.smtp.outcome import Decision, Outcome

#: Rows woken in one transaction.
WAKE = 5000


@dataclass(frozen=True, slots=True)
class Route:
    """Rows that may go through one transport."""

    transport: str
    pks: list[int] = field(default_factory=list)
    #: Domain -> the probe that the one row at this domain is.
    probes: dict[str, HoldProbe] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detained:
    """Rows of one scope that no open transport may carry now."""

    pks: Sequence[int]
    transport: str
    scope: str
    until: datetime
    code: ReasonCode

    @property
    def key(self) -> str:
        """The key of the hold that they wait for."""
        return providers.key(self.transport, self.scope)


@dataclass(frozen=True, slots=True)
class Closed:
    """A provider that started to refuse or slow us while rows were under way."""

    transport: str
    scope: str
    code: ReasonCode
    #: None: until a probe succeeds, which `ProviderHolds` decides.
    until: datetime | None = None

    def is_closed(self, now: datetime) -> bool:
        """Return whether it is still closed."""
        return self.until is None or now < self.until

    @property
    def key(self) -> str:
        """The key of the hold that its rows wait for."""
        return providers.key(self.transport, self.scope)

    @property
    def reason(self) -> str:
        """The reason, for people."""
        return sentence(self.code, provider=providers.label_of(self.scope))


class Routes:
    """Choose routes. One instance serves all threads of a process."""

    def __init__(
        self,
        session: Callable[[], Session],
        holds: ProviderHolds,
        pace: Pace,
        choose: Callable[[Sequence[str]], str],
        members: Members | None = None,
    ) -> None:
        """Choose among the open transports with `choose`.

        Without `members` the customers of providers are not known.
        """
        self._session = session
        self._holds = holds
        self._pace = pace
        self._choose = choose
        self._members = members

    def are_clear(self, now: datetime, *, bulk: bool) -> bool:
        """Return whether no provider holds or slows us: emails of campaigns (`bulk`), or other emails."""
        holds = self._holds.held().values()
        return all(each.bulk_only and not bulk for each in holds) and not any(
            key.startswith(PROVIDER) for key in self._pace.paused(now)
        )

    def of(
        self, pks: Sequence[int], way: str, open_: Sequence[str], now: datetime, *, bulk: bool
    ) -> Iterator[Route | Detained]:
        """Yield the routes of these rows: through `way` if nothing is against it, another of `open_`, or none.

        `bulk`: they belong to campaigns, which more holds concern.
        """
        paused = self._pace.paused(now)
        routes = {name: Route(name) for name in open_}
        for scopes, rows in self._by_scopes(pks, now).items():
            obstacles = []
            for name in open_:
                self._probe(routes[name], scopes, rows, now, bulk=bulk)
                obstacles.append(self._obstacle(name, scopes, paused, bulk=bulk))
            free = [name for name, obstacle in zip(open_, obstacles, strict=True) if obstacle is None]
            waiting = [pk for pk, _ in rows]
            if free and waiting:
                routes[way if way in free else self._choose(free)].pks.extend(waiting)
            elif waiting:
                soonest = min(filter(None, obstacles), key=lambda obstacle: obstacle.until)
                yield Detained(waiting, *soonest)
        yield from (route for route in routes.values() if route.pks)

    def detain(self, part: Detained) -> None:
        """Defer these rows until their provider may take them."""
        session = self._session()
        label = providers.label_of(part.scope)
        ledger.defer(session, part.pks, until=part.until, code=part.code, hold_key=part.key, provider=label)
        session.commit()
        # A hold that ended in between has woken only the rows that waited already.
        if part.code is ReasonCode.provider_held and not self._holds.is_held(part.key):
            self._wake(part.key, clock.now())

    def give_back(self, route: Route, now: datetime) -> None:
        """Give back the probes of this route that no email was sent for."""
        while route.probes:
            self._holds.unused(route.probes.popitem()[1], now)

    def report(
        self, transport: str, domain: str, outcome: Outcome, now: datetime, *, probe: HoldProbe | None = None
    ) -> None:
        """Report the outcome of an email to this domain: a refusal of us opens a hold, and `probe` may end one."""
        if probe is not None:
            if self._holds.probed(probe, outcome, now):
                self._wake(probe.key, now)
        elif outcome.decision is Decision.HOLD:
            self._holds.refused(transport, domain, outcome, now)

    def closed(self, transport: str, domain: str, outcome: Outcome, now: datetime) -> Closed:
        """Return the scope that is closed from now on: an email to this domain met a refusal or slowdown of us."""
        scope = providers.scope_of(domain)
        if outcome.decision is Decision.HOLD:
            return Closed(transport, scope, ReasonCode.provider_held)
        until = self._pace.slow(provider_key(transport, scope), now)
        return Closed(transport, scope, ReasonCode.provider_slowed, until)

    def _wake(self, key: str, now: datetime) -> None:
        """Wake the rows that waited for a provider that accepts our emails again."""
        session, woken = self._session(), WAKE
        while woken == WAKE:
            woken = ledger.wake_held(session, key, now=now, limit=WAKE)
            session.commit()

    def _by_scopes(self, pks: Sequence[int], now: datetime) -> dict[tuple[str, ...], list[tuple[int, str]]]:
        """Group (key, domain) of the rows by the scopes that may hold them.

        A provider's own domains come first: they probe it.
        """
        found = domains(self._session(), pks)
        members = self._customers(set(found.values()), now)
        groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        for pk, domain in found.items():
            member = members.get(domain)
            scopes = (providers.scope_of(domain),) if member is None else (member, domain)
            groups.setdefault(scopes, []).append((pk, domain))
        return dict(sorted(groups.items(), key=lambda group: len(group[0])))

    def _customers(self, found: set[str], now: datetime) -> Mapping[str, str]:
        """Return the providers of these customer domains, if any is held or slowed.

        Otherwise only held domains themselves matter: one held domain says nothing about the others.
        """
        if self._members is None:
            return {}
        troubled = {providers.parts(key)[1] for key in self._holds.known}
        troubled |= {
            providers.parts(key.removeprefix(PROVIDER))[1] for key in self._pace.paused(now) if key.startswith(PROVIDER)
        }
        return self._members.known(found if troubled & providers.PROVIDERS.keys() else found & troubled, now)

    def _held(self, key: str, *, bulk: bool) -> Held | None:
        held = self._holds.known.get(key)
        return None if held is None or (held.bulk_only and not bulk) else held

    def _probe(
        self, route: Route, scopes: Sequence[str], rows: list[tuple[int, str]], now: datetime, *, bulk: bool
    ) -> None:
        """Take one of these rows as the probe of each hold of this transport that is due for one."""
        for scope in scopes:
            key = providers.key(route.transport, scope)
            held = self._held(key, bulk=bulk)
            if held is None or held.next_probe_at > now or not rows:
                continue
            probe = self._holds.probe(key, now)
            if probe is not None:
                pk, domain = rows.pop(0)
                route.pks.insert(0, pk)
                route.probes[domain] = probe

    def _obstacle(
        self, transport: str, scopes: Sequence[str], paused: Mapping[str, datetime], *, bulk: bool
    ) -> "_Obstacle | None":
        """Return the obstacle of this transport that lasts longest; None if it is free."""
        found = []
        for scope in scopes:
            held = self._held(providers.key(transport, scope), bulk=bulk)
            if held is not None:
                found.append(_Obstacle(transport, scope, held.next_probe_at, ReasonCode.provider_held))
            until = paused.get(provider_key(transport, scope))
            if until is not None:
                found.append(_Obstacle(transport, scope, until, ReasonCode.provider_slowed))
        return max(found, key=lambda obstacle: obstacle.until, default=None)


class _Obstacle(NamedTuple):
    transport: str
    scope: str
    until: datetime
    code: ReasonCode
