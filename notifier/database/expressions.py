"""Expressions that the two databases spell differently, and the one way in which JSON holds a moment.

A moment in JSON is a number: microseconds since 1970, UTC. That is what both databases keep of a moment, so nothing is
rounded, and windows of time that share an end leave no gap.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    FromClause,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from notifier.database.types import UtcDateTime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: A moment in UTC as both databases read it, and as SQLite keeps it.
_AS_KEPT = "%Y-%m-%d %H:%M:%S.%f"


def number_of(moment: datetime) -> int:
    """Return the number of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(number: int) -> datetime:
    """Return the moment of this number, in UTC."""
    return _EPOCH + number * _MICROSECOND


def microseconds(span: timedelta) -> int:
    """Return a length of time as numbers of moments count it."""
    return span // _MICROSECOND


class NumberOf(FunctionElement[int]):
    """The number of a moment."""

    type = BigInteger()
    inherit_cache = True


class MomentOf(FunctionElement[datetime]):
    """The moment of a number."""

    type = UtcDateTime()
    inherit_cache = True


class DomainOf(FunctionElement[str]):
    """The domain of an address, in lower case."""

    type = String()
    inherit_cache = True


class _JsonObject(FunctionElement[Any]):
    """A JSON object of keys and values in turn."""

    type = JSON()
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


@compiles(DomainOf, "postgresql")
def _postgres_domain(element: DomainOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"lower(split_part({compiler.process(element.clauses, **kw)}, '@', 2))"


@compiles(DomainOf, "sqlite")
def _sqlite_domain(element: DomainOf, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    return f"lower(substr({text}, instr({text}, '@') + 1))"


@compiles(_JsonObject, "postgresql")
def _postgres_object(element: _JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_build_object({compiler.process(element.clauses, **kw)})"


@compiles(_JsonObject, "sqlite")
def _sqlite_object(element: _JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


def moment(value: datetime) -> ColumnElement[datetime]:
    """Return a moment as both databases compare it with a column."""
    return literal(value, UtcDateTime())


def json_object(values: Mapping[str, Any]) -> ColumnElement[Any]:
    """Return a JSON object of constants and expressions; moments become numbers."""
    parts: list[ColumnElement[Any]] = []
    for name, value in values.items():
        expression = value if isinstance(value, ColumnElement) else literal(value)
        parts += [literal(name), NumberOf(expression) if isinstance(expression.type, UtcDateTime) else expression]
    return _JsonObject(*parts)


def table_of(dialect: str, given: str, **columns: TypeEngine[Any]) -> FromClause:
    """Return the rows of the parameter `given`, written by `as_text`, as a table with these typed columns.

    They travel as one JSON text: a VALUES list would be another statement for every number of rows, and compiling it
    would cost more than running it.
    """
    text = bindparam(given, type_=Text())
    if dialect == "postgresql":
        named = [column(name, kind) for name, kind in columns.items()]
        rows = func.json_to_recordset(cast(text, JSON()))
        return rows.table_valued(*named, name=given).render_derived(with_types=True)
    each = func.json_each(text).table_valued("value", name=f"{given}_each")
    read = (
        func.json_extract(each.c.value, literal_column(f"'$.{name}'"), type_=kind).label(name)
        for name, kind in columns.items()
    )
    return select(*read).subquery(given)


def as_text(dialect: str, rows: Iterable[Mapping[str, int | datetime]]) -> str:
    """Return these rows as the parameter of a `table_of`: each database reads moments as it reads its own columns."""
    offset = "+00" if dialect == "postgresql" else ""
    return json.dumps([{name: _written(value, offset) for name, value in row.items()} for row in rows])


def _written(value: int | datetime, offset: str) -> int | str:
    return value if isinstance(value, int) else _kept(value.astimezone(UTC), offset)


@lru_cache(maxsize=4096)
def _kept(moment: datetime, offset: str) -> str:
    return moment.strftime(_AS_KEPT) + offset
