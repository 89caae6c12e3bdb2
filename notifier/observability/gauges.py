"""The state of the ledger and of what sends, as numbers for monitoring, in few statements, which indexes answer."""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from notifier.database import identity
from notifier.metrics import catalogue
from notifier.metrics.catalogue import Metric, provider_label
from notifier.observability import ledger_counts
from notifier.observability.small_tables import SmallRow, SmallTables

#: The queues with emails, by whether they are bulk.
QUEUES = {False: "transactional", True: "bulk"}

#: The scope of `held` that says that no transport sends.
ALL_TRANSPORTS = "all_transports"

#: What is due, by queue.
_DUE = {
    queue: f"status = 'pending' AND bulk = {str(bulk).lower()} AND next_attempt_at <= :now"
    for bulk, queue in QUEUES.items()
}
_OTHERS = {
    "leases": "status = 'sending'",
    "overdue": "status = 'sending' AND lease_until <= :lease_now",
    "uncertain": "status = 'unknown'",
}


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
    found = SmallTables.read(session, transports)
    runs = found.newest_open_runs()
    unsent = {f"run_{run.key}": f"run_id = {run.key} AND status IN ('pending', 'sending')" for run in runs}
    moments = {"now": now, "lease_now": lease_now}
    counts = ledger_counts.count(session, _DUE | _OTHERS | unsent, moments)
    oldest = ledger_counts.first(session, "next_attempt_at", _DUE, moments)
    return [
        *(Reading(catalogue.DUE, (queue,), counts[queue]) for queue in _DUE),
        *(Reading(catalogue.OLDEST_DUE, (queue,), _since(at, now)) for queue, at in oldest.items()),
        Reading(catalogue.LEASES, (), counts["leases"]),
        Reading(catalogue.LEASE_OVERDUE, (), counts["overdue"]),
        Reading(catalogue.UNKNOWN_OPEN, (), counts["uncertain"]),
        *_held(found, transports, is_restored=identity.is_restored(session)),
        *_chores(found, now),
        *_next_runs(found, now),
        *(_progress(run, counts[f"run_{run.key}"]) for run in runs),
    ]


def _held(found: SmallTables, transports: Collection[str], *, is_restored: bool) -> Iterator[Reading]:
    """Yield what sends nothing at present. A domain without a known provider is `other`."""
    held: Counter[tuple[str, str]] = Counter()
    stopped = found.of("transport")
    for each in stopped:
        held[each.name, each.code or "unknown"] += 1
    for each in found.of("provider"):
        held[provider_label(each.name), "provider_refuses"] += each.number
    for each in found.of("paused"):
        held["run", each.code or "run_paused"] += each.number
    if is_restored:
        held["all", "database_restored"] = 1
    everything = bool(stopped) and {each.name for each in stopped} >= set(transports)
    held[ALL_TRANSPORTS, "held"] = int(everything)
    for labels, number in held.items():
        yield Reading(catalogue.HELD, labels, number)


def _chores(found: SmallTables, now: datetime) -> Iterator[Reading]:
    ran = {each.name: each.at for each in found.of("heartbeat")}
    for metric, name in ((catalogue.BEAT_AGE, "tick"), (catalogue.SWEEP_AGE, "sweep")):
        yield Reading(metric, (), _since(ran.get(name), now, never=math.inf))


def _next_runs(found: SmallTables, now: datetime) -> Iterator[Reading]:
    for each in found.of("next run"):
        yield Reading(catalogue.NEXT_RUN, (each.name,), -_since(each.at, now))


def _since(moment: datetime | None, now: datetime, *, never: float = 0.0) -> float:
    """Return the seconds since this moment; `never` if there is none."""
    return never if moment is None else (now - moment).total_seconds()


def _progress(run: SmallRow, unsent: int) -> Reading:
    """Return how far this open run is."""
    return Reading(catalogue.RUN_PROGRESS, (run.name,), 1 - min(run.number, unsent) / run.number)
