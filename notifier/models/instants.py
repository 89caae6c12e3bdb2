"""Convert moments in SQL to numbers and back: microseconds since 1970, UTC, as `params` store digest windows."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from notifier.database.types import UtcDateTime


class NumberOf(FunctionElement[int]):
    """Convert a moment to its number."""

    type = BigInteger()
    inherit_cache = True


class MomentOf(FunctionElement[datetime]):
    """Convert a number to its moment."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(NumberOf, "postgresql")
def _postgres_number(element: NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(extract(epoch FROM {compiler.process(element.clauses, **kw)}) * 1000000 AS BIGINT)"


@compiles(NumberOf, "sqlite")
def _sqlite_number(element: NumberOf, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    # strftime rounds fractions of a second, up or down depending on the version of SQLite.
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
