"""Tally and MetricTotal: what has happened, in numbers, for monitoring. Triggers count what becomes of notifications.

A transaction adds tallies of its own and changes no row that another one needs: so it waits for no other, and a host
that keeps its transaction open holds up none. `notifier.metrics.folding` adds them to the totals.
"""

from typing import cast

from sqlalchemy import DDL, Float, String, Table, event
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.ddl import ExecutableDDLElement

from notifier.database.base import Base
from notifier.database.types import BigId
from notifier.models.notification import Notification

#: Stands between the values of labels: no kind, status or code contains it.
SEPARATOR = "\x1f"


class Tally(Base):
    """What one transaction, or one process within seconds, counted of one metric. It lives for seconds."""

    __tablename__ = "notifier_tallies"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: The name of a metric without our prefix; with `_bucket` or `_sum`, a part of a histogram.
    name: Mapped[str] = mapped_column(String(64))
    #: The values of its labels, in their order, with SEPARATOR between them.
    labels: Mapped[str] = mapped_column(String(400))
    value: Mapped[float] = mapped_column(Float(53))


class MetricTotal(Base):
    """What was counted of one metric since the database was made, but for the tallies that are not added yet."""

    __tablename__ = "notifier_metric_totals"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    labels: Mapped[str] = mapped_column(String(400), primary_key=True)
    value: Mapped[float] = mapped_column(Float(53))


_TABLE = cast("Table", Notification.__table__)

#: Statuses in which an email is on its way.
_OPEN = "('pending', 'sending')"

# The ledger is written by many statements, and by hand in an emergency. A trigger misses none of them, counts what has
# really changed, and does so in the same transaction. On Postgres it runs once for each statement.
_ON_POSTGRES = (
    f"""CREATE OR REPLACE FUNCTION {_TABLE.name}_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
INSERT INTO notifier_tallies (name, labels, value)
SELECT 'enqueued_total', CASE a.status WHEN 'pending' THEN 'queued' ELSE a.status END, count(*)
FROM added a GROUP BY a.status
UNION ALL SELECT 'notifications_total', a.kind || chr(31) || a.status, count(*)
FROM added a WHERE a.status NOT IN {_OPEN} GROUP BY a.kind, a.status;
RETURN NULL;
END $$""",
    f"""CREATE OR REPLACE FUNCTION {_TABLE.name}_count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
INSERT INTO notifier_tallies (name, labels, value)
SELECT 'notifications_total', n.kind || chr(31) || n.status, count(*)
FROM moved n JOIN former o ON o.id = n.id
WHERE n.status <> o.status AND n.status NOT IN {_OPEN} GROUP BY n.kind, n.status
UNION ALL SELECT 'unknown_total', n.on_unknown, sum(n.unknowns - o.unknowns)
FROM moved n JOIN former o ON o.id = n.id WHERE n.unknowns > o.unknowns GROUP BY n.on_unknown;
RETURN NULL;
END $$""",
    f"CREATE TRIGGER {_TABLE.name}_count_added AFTER INSERT ON {_TABLE.name}\nREFERENCING NEW TABLE AS added "
    f"FOR EACH STATEMENT EXECUTE FUNCTION {_TABLE.name}_count_added()",
    f"CREATE TRIGGER {_TABLE.name}_count_moved AFTER UPDATE ON {_TABLE.name}\n"
    f"REFERENCING OLD TABLE AS former NEW TABLE AS moved\n"
    f"FOR EACH STATEMENT EXECUTE FUNCTION {_TABLE.name}_count_moved()",
)


def _on_sqlite(name: str, labels: str, value: str = "1", where: str = "true") -> str:
    """Return statements that count at once: one process writes at a time, so none waits for a row of another.

    Without ON CONFLICT, because that of the statement which fired the trigger would replace it.
    """
    return (
        f"UPDATE notifier_metric_totals SET value = value + {value}\n"
        f"WHERE {where}\nAND name = '{name}' AND labels = {labels};\n"
        f"INSERT INTO notifier_metric_totals (name, labels, value)\n"
        f"SELECT '{name}', {labels}, {value}\nWHERE {where} AND changes() = 0;\n"
    )


_ENDED = f"NEW.status NOT IN {_OPEN}"
_TO = "NEW.kind || char(31) || NEW.status"
_QUEUED = "CASE NEW.status WHEN 'pending' THEN 'queued' ELSE NEW.status END"
_ON_SQLITE = (
    f"CREATE TRIGGER {_TABLE.name}_count_added AFTER INSERT ON {_TABLE.name} BEGIN\n"
    f"{_on_sqlite('enqueued_total', _QUEUED)}{_on_sqlite('notifications_total', _TO, where=_ENDED)}END",
    f"CREATE TRIGGER {_TABLE.name}_count_ended AFTER UPDATE OF status ON {_TABLE.name}\n"
    f"WHEN NEW.status <> OLD.status AND {_ENDED} BEGIN\n{_on_sqlite('notifications_total', _TO)}END",
    f"CREATE TRIGGER {_TABLE.name}_count_unknown AFTER UPDATE OF unknowns ON {_TABLE.name}\n"
    f"WHEN NEW.unknowns > OLD.unknowns BEGIN\n"
    f"{_on_sqlite('unknown_total', 'NEW.on_unknown', 'NEW.unknowns - OLD.unknowns')}END",
)

for _dialect, _statements in (("postgresql", _ON_POSTGRES), ("sqlite", _ON_SQLITE)):
    for _statement in _statements:
        _made: ExecutableDDLElement = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(_TABLE, "after_create", _made)
