"""Brakes: pause a run whose emails hurt the sender's reputation.

A provider judges us by our bounces and complaints, for all our emails at once. So a run is stopped early, and an
operator decides: dead addresses pause the whole run, because every provider sees them; complaints pause its emails to
the provider whose people complain. What was sent before does not count again.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.feedback.scopes import is_at
from notifier.mail import providers
from notifier.models import CampaignRun, Notification, RunState, Status
from notifier.reasons import ReasonCode

log = structlog.get_logger(__name__)

_N = Notification

#: Pauses a run within the session's transaction: (session, run, code, details of its sentence). Returns False if it is
#: paused or over.
PauseRun = Callable[..., bool]
#: Pauses a run's emails to a provider, as above: (session, run, scope, code, at, details of its sentence). Returns
#: False if they are paused or the run is over.
PauseProvider = Callable[..., bool]

#: Emails that a recipient's server answered, or that were sent.
_ANSWERED = (Status.sent, Status.bounced, Status.complained, Status.failed)
#: Emails to addresses that do not exist.
ADDRESS_DEAD = or_(
    and_(_N.status == Status.bounced, _N.reason_code == ReasonCode.address_dead.value),
    and_(_N.status == Status.failed, _N.reason_code == ReasonCode.address_refused.value),
)


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """When a run is paused. Shares are between 0 and 1."""

    #: The share of addresses that do not exist, among at least so many emails.
    dead: float = 0.02
    dead_of: int = 200
    #: The share of complaints at one provider, among at least so many emails to it.
    complaints: float = 0.001
    complaints_of: int = 1000


class Brakes:
    """Pause runs. One instance serves all threads; each call belongs to the transaction of its session."""

    def __init__(self, pause_run: PauseRun, pause_provider: PauseProvider, limits: BrakeLimits) -> None:
        """Pause through `pause_run` and `pause_provider`."""
        self._pause_run = pause_run
        self._pause_provider = pause_provider
        self.limits = limits

    def check_dead(self, session: Session, run_id: int, now: datetime, *, sparsely: bool = False) -> bool:
        """Pause the run if too many of its addresses do not exist. Return whether this call did. The caller commits.

        `sparsely`: the caller calls for each dead address, so not every call needs to count the emails.
        """
        run = _under_way(session, run_id)
        if run is None:
            return False
        since, limits = _sent_since(run.id, run.braked_at), self.limits
        dead = session.scalar(select(func.count()).select_from(_N).where(*since, ADDRESS_DEAD)) or 0
        if sparsely and _is_skipped(dead):
            return False
        of = _answered(session, since, _beyond(dead, limits.dead, limits.dead_of))
        if not _is_over(dead, of, limits.dead, limits.dead_of):
            return False
        details = {"dead": f"{dead:,}", "of": f"{of:,}", "share": _percent(limits.dead)}
        if not self._pause_run(session, run_id, ReasonCode.too_many_dead, **details):
            return False
        braked = update(CampaignRun).where(CampaignRun.id == run_id).values(braked_at=now)
        session.execute(braked.execution_options(synchronize_session=False))
        log.error("run.braked", run=run_id, code=ReasonCode.too_many_dead.value, **details)
        return True

    def check_complaints(
        self, session: Session, run_id: int, scope: str, now: datetime, *, sparsely: bool = True
    ) -> bool:
        """Pause the run's emails to the provider `scope` if too many recipients there reported it as spam.

        `sparsely`: as for `check_dead`. Return whether this call did. The caller commits.
        """
        run = _under_way(session, run_id)
        brake = {} if run is None else run.provider_brakes.get(scope, {})
        if run is None or brake.get("paused"):
            return False
        at = datetime.fromisoformat(brake["at"]) if brake else None
        limits, there = self.limits, (*_sent_since(run.id, at), is_at(scope))
        query = select(func.count()).select_from(_N).where(*there, _N.status == Status.complained)
        complaints = session.scalar(query) or 0
        if sparsely and _is_skipped(complaints):
            return False
        of = _answered(session, there, _beyond(complaints, limits.complaints, limits.complaints_of))
        if not _is_over(complaints, of, limits.complaints, limits.complaints_of):
            return False
        details = {
            "complaints": f"{complaints:,}", "of": f"{of:,}", "share": _percent(limits.complaints),
            "provider": providers.label_of(scope),
        }  # fmt: skip
        code = ReasonCode.too_many_complaints
        if not self._pause_provider(session, run_id, scope, code, at=now, **details):
            return False
        log.error("run.braked", run=run_id, code=code.value, **details)
        return True


def open_runs(session: Session, run_ids: Collection[int]) -> set[int]:
    """Return those of these runs that can be paused: for all others there is nothing to check."""
    if not run_ids:
        return set()
    query = select(CampaignRun.id).where(among(session, CampaignRun.id, run_ids), CampaignRun.state.in_(OPEN))
    return set(session.scalars(query))


#: States of runs that can be paused.
OPEN = (RunState.expanding, RunState.sending)


def _under_way(session: Session, run_id: int) -> CampaignRun | None:
    """Return the run as it is stored now; None if it is paused or over."""
    query = select(CampaignRun).where(CampaignRun.id == run_id).execution_options(populate_existing=True)
    run = session.scalars(query).one_or_none()
    return run if run is not None and run.state in OPEN else None


def _sent_since(run_id: int, at: datetime | None) -> tuple[ColumnElement[bool], ...]:
    """Build the condition for the emails of this run that count: those sent after its brake's last stop."""
    mine = _N.run_id == run_id
    return (mine,) if at is None else (mine, func.coalesce(_N.sent_at, _N.settled_at) > at)


def _answered(session: Session, where: tuple[ColumnElement[bool], ...], enough: int) -> int:
    """Count the answered emails, up to `enough`: a run may have a million, and few decide."""
    some = select(_N.id).where(*where, _N.status.in_(_ANSWERED)).limit(enough).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _is_skipped(bad: int) -> bool:
    """Return whether this one is not worth a count: the more there are, the rarer, and never 5 % too late."""
    return bad % max(1, bad // 20) != 0


def _beyond(bad: int, share: float, least: int) -> int:
    """Return a number of emails among which `bad` are certainly not too many."""
    return max(least, math.ceil(bad / share) + 1)


def _is_over(bad: int, of: int, share: float, least: int) -> bool:
    return of >= least and bad > share * of


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
