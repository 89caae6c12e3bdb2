"""The state of the ledger and of what sends, as numbers for monitoring. A query each, which an index answers."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, TextClause, bindparam, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from notifier.database import identity
from notifier.database.types import UtcDateTime
from notifier.metrics import catalogue
from notifier.metrics.catalogue import Metric, provider_label
from notifier.models import Campaign, CampaignRun, CampaignState, ProviderHold, RunState, TransportState
from notifier.observability import heartbeats

#: Rows above which a number is estimated.
EXACT_UP_TO = 50_000

#: Rows that are counted before the planner is asked: nearly always there are fewer.
FEW = 2_000

#: Campaigns, and open runs, that are shown: each is a series of its own.
MOST_CAMPAIGNS, MOST_RUNS = 200, 50

#: The queues with emails, by whether they are bulk.
QUEUES = {False: "transactional", True: "bulk"}

#: The scope of `held` that says that no transport sends.
ALL_TRANSPORTS = "all_transports"

_ROWS = "FROM notifier_notifications WHERE "
_DUE = "status = 'pending' AND bulk = :bulk AND next_attempt_at <= :now"
_UNSENT_OF_RUN = "run_id = :run AND status IN ('pending', 'sending')"


class Reading(NamedTuple):
    """One value of a gauge."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def readings(session: Session, now: datetime, *, lease_now: datetime, transports: Collection[str]) -> list[Reading]:
    """Return all gauges.

    Args:
        session: Reads; the caller ends its transaction.
        now: This moment.
        lease_now: This moment by the database's clock, by which leases are given.
        transports: The names of the transports that the settings have.
    """
    return [
        *_due(session, now),
        *_leases(session, lease_now),
        Reading(catalogue.UNKNOWN_OPEN, (), count(session, "status = 'unknown'")),
        *_held(session, transports),
        *_chores(session, now),
        *_next_runs(session, now),
        *_open_runs(session),
    ]


def count(session: Session, where: str, **values: Any) -> int:
    """Count rows of the ledger: exactly up to EXACT_UP_TO, and beyond by what Postgres' planner expects.

    SQLite has no such estimate, so it counts all.
    """
    if session.get_bind().dialect.name != "postgresql":
        return session.scalar(_typed(f"SELECT count(*) {_ROWS}{where}", values), values) or 0
    few = _up_to(session, where, values, min(FEW, EXACT_UP_TO))
    if few <= FEW and few <= EXACT_UP_TO:
        return few
    expected = _expected(session, where, values)
    return expected if expected > EXACT_UP_TO else _up_to(session, where, values, EXACT_UP_TO)


def oldest_due(session: Session, now: datetime, *, bulk: bool) -> float:
    """Return the seconds since the oldest due email fell due; 0 if none is due."""
    values = _moment(bulk, now)
    first = _typed(f"SELECT min(next_attempt_at) AS first {_ROWS}{_DUE}", values).columns(first=UtcDateTime())
    found: datetime | None = session.scalar(first, values)
    return 0.0 if found is None else (now - found).total_seconds()


#: The types of the values that these statements take.
_TYPES: dict[str, TypeEngine[Any]] = {"now": UtcDateTime(), "bulk": Boolean(), "run": BigInteger()}


def _typed(statement: str, values: Collection[str]) -> TextClause:
    return text(statement).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in values))


def _up_to(session: Session, where: str, values: dict[str, Any], limit: int) -> int:
    """Count rows, and stop behind `limit`."""
    some = _typed(f"SELECT count(*) FROM (SELECT 1 {_ROWS}{where} LIMIT {limit + 1}) AS few", values)
    return session.scalar(some, values) or 0


def _expected(session: Session, where: str, values: dict[str, Any]) -> int:
    plan = session.scalar(_typed(f"EXPLAIN (FORMAT JSON) SELECT 1 {_ROWS}{where}", values), values)
    found = json.loads(plan) if isinstance(plan, str) else plan
    return int(found[0]["Plan"]["Plan Rows"])


def _moment(bulk: bool, now: datetime) -> dict[str, Any]:
    return {"bulk": bulk, "now": now}


def _due(session: Session, now: datetime) -> Iterator[Reading]:
    for bulk, queue in QUEUES.items():
        yield Reading(catalogue.DUE, (queue,), count(session, _DUE, **_moment(bulk, now)))
        yield Reading(catalogue.OLDEST_DUE, (queue,), oldest_due(session, now, bulk=bulk))


def _leases(session: Session, now: datetime) -> Iterator[Reading]:
    leases = count(session, "status = 'sending'")
    yield Reading(catalogue.LEASES, (), leases)
    overdue = count(session, "status = 'sending' AND lease_until <= :now", now=now) if leases else 0
    yield Reading(catalogue.LEASE_OVERDUE, (), overdue)


def _held(session: Session, transports: Collection[str]) -> Iterator[Reading]:
    """Yield what sends nothing at present. A domain without a known provider is `other`."""
    found: Counter[tuple[str, str]] = Counter()
    held = select(TransportState.name, TransportState.phase).where(TransportState.held_since.is_not(None))
    stopped = set()
    for name, phase in session.execute(held.where(TransportState.name.in_(transports))):
        stopped.add(name)
        found[name, phase or "unknown"] += 1
    for scope, number in session.execute(select(ProviderHold.scope, func.count()).group_by(ProviderHold.scope)):
        found[provider_label(scope), "provider_refuses"] += number
    paused = select(CampaignRun.reason_code, func.count()).where(CampaignRun.state == RunState.paused)
    for code, number in session.execute(paused.group_by(CampaignRun.reason_code)):
        found["run", code or "run_paused"] += number
    if identity.is_restored(session):
        found["all", "database_restored"] = 1
    found[ALL_TRANSPORTS, "held"] = int(bool(stopped) and stopped >= set(transports))
    for labels, number in found.items():
        yield Reading(catalogue.HELD, labels, number)


def _chores(session: Session, now: datetime) -> Iterator[Reading]:
    ages = heartbeats.ages(session, now)
    for metric, name in ((catalogue.BEAT_AGE, "tick"), (catalogue.SWEEP_AGE, "sweep")):
        age = ages[name]
        yield Reading(metric, (), math.inf if age is None else age)


def _next_runs(session: Session, now: datetime) -> Iterator[Reading]:
    active = (Campaign.state == CampaignState.active, Campaign.next_run_at.is_not(None))
    query = select(Campaign.name, Campaign.next_run_at).where(*active).order_by(Campaign.next_run_at)
    for name, at in session.execute(query.limit(MOST_CAMPAIGNS)):
        if at is not None:
            yield Reading(catalogue.NEXT_RUN, (name,), (at - now).total_seconds())


def _open_runs(session: Session) -> Iterator[Reading]:
    """Yield how far open runs are. Of several runs of one campaign the newest counts."""
    open_ = (CampaignRun.state.in_((RunState.expanding, RunState.sending, RunState.paused)), CampaignRun.planned > 0)
    query = select(Campaign.name, CampaignRun.id, CampaignRun.planned).where(*open_)
    query = query.join(Campaign, Campaign.id == CampaignRun.campaign_id).order_by(CampaignRun.id.desc())
    seen: set[str] = set()
    for name, run_id, planned in session.execute(query.limit(MOST_RUNS)).all():
        if name not in seen:
            seen.add(name)
            unsent = min(planned, count(session, _UNSENT_OF_RUN, run=run_id))
            yield Reading(catalogue.RUN_PROGRESS, (name,), 1 - unsent / planned)
