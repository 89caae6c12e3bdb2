"""Time windows [since, until): as numbers in a row's params, and as a table that a statement can join.

Numbers are microseconds since 1970, UTC: both databases store them exactly, so adjacent windows leave no gap.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, FromClause, column, func, literal, literal_column, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: A moment in UTC as both databases read it, and as SQLite stores it.
_AS_KEPT = "%Y-%m-%d %H:%M:%S.%f"


def number(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def number_of(span: timedelta) -> int:
    """Return a duration in microseconds."""
    return span // _MICROSECOND


def moment(number: int) -> datetime:
    """Return the moment of a `number`."""
    return _EPOCH + number * _MICROSECOND


def table(session: Session, rows: Sequence[Mapping[str, int | datetime]], **columns: TypeEngine[Any]) -> FromClause:
    """Return a table of these rows and typed columns, for one statement of this session.

    It is passed as one JSON value: a VALUES list would be another statement for every number of rows, and compiling it
    would cost more than running it.
    """
    if session.get_bind().dialect.name == "postgresql":
        named = [column(name, kind) for name, kind in columns.items()]
        given = func.json_to_recordset(literal([_written(row, "+00") for row in rows], JSON))
        return given.table_valued(*named).render_derived(name="windows", with_types=True)
    each = func.json_each(literal([_written(row) for row in rows], JSON)).table_valued("value")
    read = (
        func.json_extract(each.c.value, literal_column(f"'$.{name}'"), type_=kind).label(name)
        for name, kind in columns.items()
    )
    return select(*read).subquery("windows")


def _written(row: Mapping[str, int | datetime], offset: str = "") -> dict[str, int | str]:
    return {
        name: value if isinstance(value, int) else value.astimezone(UTC).strftime(_AS_KEPT) + offset
        for name, value in row.items()
    }
