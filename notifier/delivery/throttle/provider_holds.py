"""Holds of providers: a provider that refuses *us* gets no email through a transport until a probe succeeds.

The key is (transport, provider), because signatures and addresses differ by transport. A domain without a known
provider is a scope of its own. Rows hold it, so all workers keep it. Each process reads them at most once a second, and
there are none while all is well. Each call commits a short transaction of its own: do not call it with unfinished work
in the session.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, cast

import structlog
from sqlalchemy import ColumnElement, CursorResult, Delete, Update, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.delivery.throttle.probing import PROBING, Probing, text_of
from notifier.mail import providers
from notifier.models import DomainProvider, ProviderHold
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

log = structlog.get_logger(__name__)

#: Seconds for which the rows are not read again.
CACHE_SECONDS = 1.0

#: Most domains without a known provider held at a time: a stranger may own any number. Beyond, each email waits alone.
MOST_DOMAINS = 1000

_H = ProviderHold
_ORDER = {phase.value: number for number, phase in enumerate(Phase)}


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as last read."""

    since: datetime
    next_probe_at: datetime
    probes: int
    phase: str
    #: Whether it holds campaigns alone.
    bulk_only: bool = False


@dataclass(frozen=True, slots=True)
class HoldProbe:
    """Permission to send ONE email as a probe. Pass this to `probed` with its outcome, or to `unused`.

    If neither happens (its process died), the next probe goes out an interval later.
    """

    key: str
    since: datetime
    number: int
    #: The phase of the refusal: an email that fails in an earlier phase proves nothing.
    phase: str


class ProviderHolds:
    """Keep holds. One instance serves all threads of a process."""

    def __init__(
        self,
        session: Callable[[], Session],
        *,
        probing: Probing = PROBING,
        witnesses: int = 5,
        within: timedelta = timedelta(minutes=10),
        fresh: float = CACHE_SECONDS,
    ) -> None:
        """Open a hold at once for a provider's own domain. Domains of its customers open it together.

        Any person may own a customer's domain, so `witnesses` of them must be refused within the time `within`.
        `session` returns the current session; `fresh`: seconds for which a read is reused.
        """
        self._session = session
        self._probing = probing
        self._witnesses = witnesses
        self._within = within
        self._fresh = fresh
        self._lock = Lock()
        self._read_at = float("-inf")
        #: By key, as last read. Replaced as a whole or one key at a time, so it is never half read.
        self._held: dict[str, Held] = {}

    def held(self) -> Mapping[str, Held]:
        """Return the holds by key. At most one query a second."""
        self._refresh()
        return self._held

    @property
    def known(self) -> Mapping[str, Held]:
        """The holds by key, as last read."""
        return self._held

    def is_held(self, key: str) -> bool:
        """Return whether the key is held at this moment, by a query."""
        with transaction(self._session) as session:
            return _read(session, key) is not None

    def probe(self, key: str, now: datetime) -> HoldProbe | None:
        """Return the probe that is due; None if another process has it or the hold is over.

        `held` is up to date then.
        """
        with transaction(self._session) as session:
            seen = _read(session, key)
            if seen is None:
                self._held.pop(key, None)
                return None
            taken = replace(seen, probes=seen.probes + 1, next_probe_at=now + self._probing.interval(seen.probes + 1))
            free = (_H.key == key, _H.held_since == seen.since, _H.next_probe_at == seen.next_probe_at)
            mine = seen.next_probe_at <= now and _change(
                session, update(_H).where(*free).values(next_probe_at=taken.next_probe_at, probes=taken.probes)
            )
        self._held[key] = taken if mine else seen
        return HoldProbe(key, seen.since, taken.probes, seen.phase) if mine else None

    def unused(self, probe: HoldProbe, now: datetime) -> None:
        """Give back a probe that no email was sent for; the next process that asks gets it."""
        with transaction(self._session) as session:
            _change(session, update(_H).where(*_still(probe)).values(next_probe_at=now))
        self._read_at = float("-inf")

    def refused(self, transport: str, domain: str, outcome: Outcome, now: datetime) -> bool:
        """Open a hold because an email to `domain` met a refusal of us. Return whether this call opened one.

        A database error is logged, not raised: the email's own outcome matters more, and the next email reports the
        same.
        """
        try:
            opened = self._open(transport, providers.scope_of(domain), outcome, now)
            if opened:
                self._ask_witnesses(transport, providers.scope_of(domain), outcome, now)
        except DBAPIError as error:
            log.error("provider.report_failed", transport=transport, error=type(error).__name__)
            return False
        return opened

    def probed(self, probe: HoldProbe, outcome: Outcome, now: datetime) -> bool:
        """Report the outcome of a probe. Return True if the hold is over; then wake the rows that wait for it."""
        try:
            return self._probed(probe, outcome, now)
        except DBAPIError as error:
            log.error("provider.report_failed", key=probe.key, error=type(error).__name__)
            return False

    def _probed(self, probe: HoldProbe, outcome: Outcome, now: datetime) -> bool:
        proved = _proves(outcome, probe.phase)
        if proved is None:
            self.unused(probe, now)
            return False
        if not proved:
            refused = outcome.scope is Scope.PROVIDER
            values = {"next_probe_at": now + self._probing.interval(probe.number)} | (_why(outcome) if refused else {})
            with transaction(self._session) as session:
                _change(session, update(_H).where(*_still(probe)).values(**values))
            self._read_at = float("-inf")
            if refused:
                self._ask_witnesses(*providers.parts(probe.key), outcome, now)
            return False
        with transaction(self._session) as session:
            # Even a late probe ends this hold, if it is still the same one.
            over = _change(session, delete(_H).where(_H.key == probe.key, _H.held_since == probe.since))
        self._held.pop(probe.key, None)
        if over:
            held = round((now - probe.since).total_seconds())
            log.info("provider.resumed", key=probe.key, held_seconds=held, probes=probe.number)
        return over

    def _open(self, transport: str, scope: str, outcome: Outcome, now: datetime) -> bool:
        key = providers.key(transport, scope)
        known = self._held.get(key)
        if known is not None and not known.bulk_only:
            return False
        if known is None and scope not in providers.PROVIDERS and len(self._held) >= MOST_DOMAINS:
            return False
        held = Held(now, now + self._probing.interval(0), 0, outcome.phase.value)
        row = {"transport": transport, "scope": scope, "held_since": now, "next_probe_at": held.next_probe_at}
        try:
            with transaction(self._session) as session:
                # A reply that we got ourselves proves more than reports, which held campaigns alone.
                session.execute(delete(_H).where(_H.key == key, _H.bulk_only))
                session.execute(insert(_H).values(key=key, probes=0, **row, **_why(outcome)))
        except IntegrityError:
            self._read_at = float("-inf")
            return False  # another process was faster
        self._held[key] = held
        # Logged once per hold, because only one caller in all processes opens it. A single domain is no alarm.
        alert = log.error if scope in providers.PROVIDERS else log.warning
        alert("provider.held", transport=transport, provider=scope, **_why(outcome))
        return True

    def _ask_witnesses(self, transport: str, domain: str, outcome: Outcome, now: datetime) -> None:
        """Hold the provider whose customer this domain is, if enough of its customers were refused lately."""
        if domain in providers.PROVIDERS:
            return
        with transaction(self._session) as session:
            provider = session.scalar(select(DomainProvider.provider).where(DomainProvider.domain == domain))
            refused = (
                select(func.count())
                .select_from(_H)
                .join(DomainProvider, DomainProvider.domain == _H.scope)
                .where(
                    _H.transport == transport,
                    _H.held_since > now - self._within,
                    DomainProvider.provider == provider,
                )
            )
            enough = provider is not None and (session.scalar(refused) or 0) >= self._witnesses
        if enough and provider is not None:
            self._open(transport, provider, outcome, now)

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < self._fresh:
            return
        # One thread reads. The others go on with the rows known, rather than wait for the database behind a lock.
        if not self._lock.acquire(blocking=self._read_at == float("-inf")):
            return
        try:
            if time.monotonic() - self._read_at >= self._fresh:
                with transaction(self._session) as session:
                    rows = session.execute(select(_H.key, *_COLUMNS)).all()
                self._held = {row.key: Held(*row[1:]) for row in rows}
                self._read_at = time.monotonic()
        finally:
            self._lock.release()


def _proves(outcome: Outcome, phase: str) -> bool | None:
    """Return whether an email with this outcome shows the provider open (True) or closed (False); None: neither."""
    match outcome.decision:
        case Decision.ACCEPTED:
            return True
        case Decision.FAIL | Decision.BOUNCE:
            # The email itself was judged, in a phase in which a refusal of us would have come already.
            judged = outcome.code is not None and _ORDER[outcome.phase.value] >= _ORDER[phase]
            return True if judged else None
    return False


_COLUMNS = (_H.held_since, _H.next_probe_at, _H.probes, _H.phase, _H.bulk_only)


def _read(session: Session, key: str) -> Held | None:
    row = session.execute(select(*_COLUMNS).where(_H.key == key)).one_or_none()
    return None if row is None else Held(*row)


def _why(outcome: Outcome) -> dict[str, Any]:
    said = {"code": outcome.code, "enhanced": outcome.enhanced, "text": text_of(outcome)}
    return {"phase": outcome.phase.value, **said}


def _still(probe: HoldProbe) -> tuple[ColumnElement[bool], ...]:
    """Match the hold's row, unless a later probe went out or it is another hold."""
    return _H.key == probe.key, _H.held_since == probe.since, _H.probes == probe.number


def _change(session: Session, statement: Update | Delete) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return bool(cast("CursorResult[Any]", result).rowcount)
