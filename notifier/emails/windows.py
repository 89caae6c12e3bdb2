"""Windows of time [since, until): as numbers in a row's params, and as a table that a statement can join.

Numbers are microseconds since 1970, UTC: what both databases keep, so windows that share an end leave no gap.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, FromClause, column, func, literal, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from notifier.models.types import UtcDateTime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: A moment in UTC as both databases read it, and as SQLite keeps it.
_AS_KEPT = "%Y-%m-%d %H:%M:%S.%f"


def number(moment: datetime) -> int:
    """An aware moment in microseconds since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def number_of(span: timedelta) -> int:
    """A length of time in microseconds."""
    return span // _MICROSECOND


def moment(number: int) -> datetime:
    """The inverse of `number`."""
    return _EPOCH + number * _MICROSECOND


class NumberOf(FunctionElement[int]):
    """`number` of an expression."""

    type = BigInteger()
    inherit_cache = True


class MomentOf(FunctionElement[datetime]):
    """`moment` of an expression."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(NumberOf, "postgresql")
def _postgres_number(element: NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(extract(epoch FROM {compiler.process(element.clauses, **kw)}) * 1000000 AS BIGINT)"


@compiles(NumberOf, "sqlite")
def _sqlite_number(element: NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    # strftime rounds what is less than a second, one version up and another down.
    return f"(strftime('%s', substr({text}, 1, 19)) * 1000000 + CAST(substr({text}, 21, 6) AS INTEGER))"


@compiles(MomentOf, "postgresql")
def _postgres_moment(element: MomentOf, compiler: SQLCompiler, **kw: Any) -> str:
    number = compiler.process(element.clauses, **kw)
    return f"(TIMESTAMPTZ '1970-01-01 00:00:00+00' + ({number}) * INTERVAL '1 microsecond')"


@compiles(MomentOf, "sqlite")
def _sqlite_moment(element: MomentOf, compiler: SQLCompiler, **kw: Any) -> str:
    number = compiler.process(element.clauses, **kw)
    seconds = f"strftime('%Y-%m-%d %H:%M:%S', ({number}) / 1000000, 'unixepoch')"
    return f"({seconds} || printf('.%06d', ({number}) % 1000000))"


def table(session: Session, rows: Sequence[Mapping[str, int | datetime]], **columns: TypeEngine[Any]) -> FromClause:
    """A table of these rows and typed columns, for one statement of this session.

    It travels as one JSON value: a VALUES list would be another statement for every number of rows, and
    compiling it would cost more than running it.
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
