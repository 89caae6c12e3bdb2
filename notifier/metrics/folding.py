"""Add tallies to the totals, so that a scrape reads few rows."""

from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.models import MetricTotal, Tally

#: Tallies of one transaction, and transactions of one call.
CHUNK, ROUNDS = 5_000, 20


def fold(session: Callable[[], Session], *, chunk: int = CHUNK) -> int:
    """Move tallies into the totals, in short transactions. Return how many. Any number of processes may do it at once.

    A reader sees each number once: before the commit as tallies, after it as part of a total.
    """
    folded = 0
    for _ in range(ROUNDS):
        with transaction(session) as current:
            moved = _fold(current, chunk)
        folded += moved
        if moved < chunk:
            break
    return folded


def _fold(session: Session, chunk: int) -> int:
    first = select(Tally.id).order_by(Tally.id).limit(chunk).with_for_update(skip_locked=True)
    gone = delete(Tally).where(Tally.id.in_(first)).returning(Tally.name, Tally.labels, Tally.value)
    rows = session.execute(gone.execution_options(synchronize_session=False)).all()
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for name, labels, value in rows:
        sums[name, labels] += value
    if sums:
        insert = (postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert)(MetricTotal)
        added = insert.on_conflict_do_update(
            index_elements=[MetricTotal.name, MetricTotal.labels],
            set_={"value": MetricTotal.value + insert.excluded.value},
        )
        # In one order, so that two processes do not wait for each other.
        values = [{"name": name, "labels": labels, "value": sums[name, labels]} for name, labels in sorted(sums)]
        session.connection().execute(added, values)
    return len(rows)
