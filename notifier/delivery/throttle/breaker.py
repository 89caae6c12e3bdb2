"""The breaker: a transport that refuses *us* is held for all workers until a probe succeeds.

Its state is a row, so every process sees it. Call `ask` before an email is claimed, and `report` with what the server
said. Each call commits a short transaction of its own: do not call it with unfinished work in the session.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, Update, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.delivery.throttle.probing import PROBING, Probing, text_of
from notifier.models import TransportState
from notifier.smtp.outcome import Decision, Outcome, Scope

log = structlog.get_logger(__name__)

#: Seconds for which a transport found open is not looked up again.
CACHE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Go:
    """Send."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Permission to send ONE email as a probe. Pass this to `report` with its outcome, or to `unused`.

    If neither happens (its process died), the next probe goes out an interval later.
    """

    name: str
    held_since: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing; ask again at `until`, when the next probe is due."""

    until: datetime


class HoldChange(StrEnum):
    """How a report changed the transport."""

    held = "held"
    resumed = "resumed"


class Breaker:
    """Hold transports. One instance serves all threads of a process and all transports."""

    def __init__(
        self, session: Callable[[], Session], *, probing: Probing = PROBING, fresh: float = CACHE_SECONDS
    ) -> None:
        """Read through `session`, which returns the current one. `fresh`: seconds for which "open" is remembered."""
        self._session = session
        self._probing = probing
        self._fresh = fresh
        #: Transport -> monotonic time at which it was last found open.
        self._open: dict[str, float] = {}
        #: Transport -> when this process last had an email accepted: kept in memory, and stored when a hold opens.
        self._accepted: dict[str, datetime] = {}

    def ask(self, name: str, now: datetime) -> Go | Probe | Wait:
        """Return whether to send through `name` now. No query if it was found open within the last second.

        Of any number of callers one gets a Probe when it is due.
        """
        moment = time.monotonic()
        if moment - self._open.get(name, float("-inf")) < self._fresh:
            return Go()
        # Set before the query, so that the other threads do not ask the same. A hold found below takes it back.
        self._open[name] = moment
        try:
            answer = self._look(name, now)
        except BaseException:
            self._open.pop(name, None)
            raise
        if not isinstance(answer, Go):
            self._open.pop(name, None)
        return answer

    def is_held(self, name: str) -> bool:
        """Return whether it is held at this moment. Hands out no probe."""
        with transaction(self._session) as session:
            row = _read(session, name)
        return row is not None and row.held_since is not None

    def report(self, name: str, outcome: Outcome, now: datetime, *, probe: Probe | None = None) -> HoldChange | None:
        """Report the outcome of an email; `probe` is what `ask` returned for it, if it was a probe.

        HOLD opens a hold, and only a probe can end one: emails under way when it opened prove nothing. No other outcome
        needs SQL. A database error is logged, not raised: the email's own outcome matters more, and the next email
        reports the same. Return what changed, so that the caller can wake the rows that wait.
        """
        if outcome.decision is Decision.ACCEPTED:
            self._accepted[name] = now
        try:
            if probe is not None:
                return self._probed(probe, outcome, now)
            # A provider's refusal of us is no reason to hold the other providers: see provider_holds.
            about_transport = outcome.decision is Decision.HOLD and outcome.scope is not Scope.PROVIDER
            return self._hold(name, outcome, now) if about_transport else None
        except DBAPIError as error:
            log.error("transport.report_failed", transport=name, error=type(error).__name__)
            return None

    def unused(self, probe: Probe, now: datetime) -> None:
        """Give back a probe that no email was sent for; the next caller gets it."""
        with transaction(self._session) as session:
            _changed(session, _still(probe).values(next_probe_at=now))

    def _look(self, name: str, now: datetime) -> Go | Probe | Wait:
        with transaction(self._session) as session:
            row = _read(session, name)
            if row is None or row.held_since is None:
                return Go()
            if row.next_probe_at > now:
                return Wait(row.next_probe_at)
            # The caller that moves `next_probe_at` gets the probe. It reports before the new time, or it has died.
            number, following = row.probes + 1, now + self._probing.interval(row.probes + 1)
            taken = (
                update(TransportState)
                .where(
                    TransportState.name == name,
                    TransportState.held_since == row.held_since,
                    TransportState.next_probe_at == row.next_probe_at,
                )
                .values(next_probe_at=following, probes=number)
            )
            return Probe(name, row.held_since, number) if _changed(session, taken) else Wait(following)

    def _probed(self, probe: Probe, outcome: Outcome, now: datetime) -> HoldChange | None:
        if outcome.decision is Decision.FAIL and outcome.code is None:
            # The email could not even be offered: no server was asked.
            self.unused(probe, now)
            return None
        if _is_unwell(outcome):
            with transaction(self._session) as session:
                values = {"next_probe_at": now + self._probing.interval(probe.number)} | _why(outcome)
                _changed(session, _still(probe).values(**values))
            return None
        with transaction(self._session) as session:
            accepted = {"last_accepted_at": now} if outcome.decision is Decision.ACCEPTED else {}
            resumed = _changed(
                session,
                update(TransportState)
                # Even a late probe ends this hold, if it is still the same one.
                .where(TransportState.name == probe.name, TransportState.held_since == probe.held_since)
                .values(**_NOT_HELD, **accepted),
            )
        if not resumed:
            return None
        held = round((now - probe.held_since).total_seconds())
        log.info("transport.resumed", transport=probe.name, held_seconds=held, probes=probe.number)
        return HoldChange.resumed

    def _hold(self, name: str, outcome: Outcome, now: datetime) -> HoldChange | None:
        self._open.pop(name, None)
        values: dict[str, Any] = _why(outcome) | {
            "held_since": now,
            "next_probe_at": now + self._probing.interval(0),
            "probes": 0,
            "alerted_at": now,
        }
        if name in self._accepted:
            values["last_accepted_at"] = self._accepted[name]
        with transaction(self._session) as session:
            opened = _open_hold(session, name, values)
        if not opened:
            return None
        # Logged once per hold, because only one caller in all processes opens it.
        log.error("transport.held", transport=name, enhanced=outcome.enhanced, **_why(outcome))
        return HoldChange.held


_NOT_HELD: dict[str, Any] = {
    "held_since": None,
    "phase": None,
    "code": None,
    "text": None,
    "next_probe_at": None,
    "probes": 0,
    "alerted_at": None,
}


def _is_unwell(outcome: Outcome) -> bool:
    """Return whether a probe with this outcome shows that the transport still cannot take email."""
    if outcome.decision is Decision.THROTTLE:
        return outcome.scope is Scope.TRANSPORT
    return outcome.decision is Decision.HOLD and outcome.scope is not Scope.PROVIDER


def _why(outcome: Outcome) -> dict[str, Any]:
    """Return the columns that say why a hold opened."""
    return {"phase": outcome.phase.value, "code": outcome.code, "text": text_of(outcome)}


def _read(session: Session, name: str) -> Any:
    columns = (TransportState.held_since, TransportState.next_probe_at, TransportState.probes)
    return session.execute(select(*columns).where(TransportState.name == name)).one_or_none()


def _open_hold(session: Session, name: str, values: dict[str, Any]) -> bool:
    """Open a hold. Return True to the one caller that found the transport open."""
    row = _read(session, name)
    if row is None:
        try:
            with session.begin_nested():
                session.execute(insert(TransportState).values(name=name, **values))
        except IntegrityError:
            return False  # another process was faster
        return True
    free = update(TransportState).where(TransportState.name == name, TransportState.held_since.is_(None))
    return row.held_since is None and _changed(session, free.values(**values))


def _still(probe: Probe) -> Update:
    """Match the hold's row, unless a later probe went out or it is another hold."""
    return update(TransportState).where(
        TransportState.name == probe.name,
        TransportState.held_since == probe.held_since,
        TransportState.probes == probe.number,
    )


def _changed(session: Session, statement: Update) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return bool(cast("CursorResult[Any]", result).rowcount)
