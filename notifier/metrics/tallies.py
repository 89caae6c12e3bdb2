"""Write tallies down, and read what was counted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import func, insert, select, union_all
from sqlalchemy.orm import Session

from notifier.metrics.catalogue import Metric
from notifier.models import MetricTotal, Tally
from notifier.models.tally import SEPARATOR

#: Longer values of labels are cut: one of them must not fail a transaction.
_LONGEST = 80

_ADD = insert(Tally)


class Counted(NamedTuple):
    """One number: the name of a metric or of a part of it, the values of its labels, and what to add."""

    name: str
    labels: tuple[str, ...]
    value: float


def tally(session: Session, metric: Metric, *labels: str, by: float = 1) -> None:
    """Count in the caller's transaction. It neither flushes nor waits for another transaction; the caller commits."""
    write(session, [Counted(metric.name, labels, by)])


def write(session: Session, counted: Sequence[Counted]) -> None:
    """Add these numbers in the caller's transaction."""
    rows = [
        {"name": each.name, "labels": SEPARATOR.join(text[:_LONGEST] for text in each.labels), "value": each.value}
        for each in counted
    ]
    if rows:
        # The session may bind several bases to engines; it must not flush, because it may be flushing.
        session.connection(bind_arguments={"mapper": Tally}).execute(_ADD, rows)


def read(session: Session) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """Return all that was counted: by name, then by labels. One statement, so that nothing is counted twice."""
    both = union_all(
        select(MetricTotal.name, MetricTotal.labels, MetricTotal.value), select(Tally.name, Tally.labels, Tally.value)
    ).subquery()
    query = select(both.c.name, both.c.labels, func.sum(both.c.value)).group_by(both.c.name, both.c.labels)
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for name, labels, value in session.execute(query):
        found[name][tuple(labels.split(SEPARATOR)) if labels else ()] = float(value)
    return found
