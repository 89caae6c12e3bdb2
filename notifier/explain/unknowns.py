"""Emails whose delivery is uncertain, and decisions about many of them at once."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.database.transaction import transaction
from notifier.models import CampaignRun, Notification, RunState, Status
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

_N = Notification

#: Written as in the partial index's condition, so that the rest of the ledger is not read.
_UNKNOWN = text("status = 'unknown'")


@dataclass(frozen=True, slots=True)
class UncertainFilter:
    """A filter on emails whose delivery is uncertain. Empty: all of them."""

    run: int | None = None
    campaign: int | None = None
    #: The host of the worker that held them.
    host: str = ""
    #: Only those that were uncertain by then.
    before: datetime | None = None

    @property
    def any(self) -> bool:
        """Whether a filter is set."""
        return bool(self.run or self.campaign or self.host)


@dataclass(frozen=True, slots=True)
class UncertainGroup:
    """Uncertain emails of one host and run. No run: transactional emails."""

    host: str
    campaign: int | None
    run: int | None
    emails: int
    oldest: datetime | None
    newest: datetime | None


def groups(session: Session, which: UncertainFilter = UncertainFilter()) -> list[UncertainGroup]:  # a frozen value
    """Return the emails to decide about, the largest group first."""
    query = (
        select(_N.claimed_by, _N.campaign_id, _N.run_id, func.count(), func.min(_N.settled_at), func.max(_N.settled_at))
        .where(*_matching(session, which))
        .group_by(_N.claimed_by, _N.campaign_id, _N.run_id)
    )
    found: dict[tuple[str, int | None, int | None], UncertainGroup] = {}
    for owner, campaign, run, emails, oldest, newest in session.execute(query):
        key = (ledger.host_of(owner) if owner else "", campaign, run)
        one = UncertainGroup(*key, emails, oldest, newest)
        found[key] = _sum(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda group: -group.emails)


def _sum(one: UncertainGroup, other: UncertainGroup) -> UncertainGroup:
    oldest = min(filter(None, (one.oldest, other.oldest)), default=None)
    newest = max(filter(None, (one.newest, other.newest)), default=None)
    return UncertainGroup(one.host, one.campaign, one.run, one.emails + other.emails, oldest, newest)


def decide(session: Callable[[], Session], which: UncertainFilter, to: Status, *, by: Actor) -> int:
    """Send these emails again (pending), or mark them as sent. Return how many.

    It is one transaction, with an entry in the audit log. Emails sent again keep their Message-ID; the next sweep
    enqueues them.
    """
    now = clock.now()
    with transaction(session) as current:
        where = _matching(current, which)
        runs = set(current.scalars(select(_N.run_id).where(*where).distinct())) - {None}
        moved = ledger.decide_unknown(current, where, to, now=now, operator=by.shown)
        if moved and to is Status.pending:
            _reopen(current, runs)
        if moved:
            filters = {name: str(value) for name, value in asdict(which).items() if value}
            audit_log.record(
                current, by, "notifications.decided", object_type="run" if which.run else "notifications",
                object_id=which.run or "", before={"status": "unknown"},
                after={"status": str(to), "emails": moved} | filters,
            )  # fmt: skip
    return moved


def _matching(session: Session, which: UncertainFilter) -> list[ColumnElement[bool]]:
    where: list[Any] = [_UNKNOWN]
    if which.run is not None:
        where.append(_N.run_id == which.run)
    if which.campaign is not None:
        where.append(_N.campaign_id == which.campaign)
    if which.before is not None:
        where.append(_N.settled_at <= which.before)
    if which.host:
        owners = session.scalars(select(_N.claimed_by).where(_UNKNOWN, _N.claimed_by.is_not(None)).distinct())
        where.append(_N.claimed_by.in_([owner for owner in owners if owner and ledger.host_of(owner) == which.host]))
    return where


def _reopen(session: Session, runs: Iterable[int | None]) -> None:
    """Mark their runs as not over; the tick closes them again."""
    over = (CampaignRun.id.in_(runs), CampaignRun.state == RunState.done)
    values = {"state": RunState.sending.value, "totals": None, "finished_at": None}
    session.execute(update(CampaignRun).where(*over).values(values).execution_options(synchronize_session=False))


def by_host(found: Iterable[UncertainGroup]) -> dict[str, int]:
    """Return how many emails each host left uncertain."""
    counted: Counter[str] = Counter()
    for group in found:
        counted[group.host or "?"] += group.emails
    return dict(counted)
