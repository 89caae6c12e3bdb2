"""Expressions that PostgreSQL and SQLite spell differently."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, SQLColumnExpression, String, cast, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from notifier.database.types import UtcDateTime


class JsonObject(FunctionElement[Any]):
    """A JSON object of alternating keys and values."""

    type = JSON()
    inherit_cache = True


class Epoch(FunctionElement[int]):
    """Whole seconds from 1970 (UTC) to a moment; fractions are cut off."""

    type = BigInteger()
    inherit_cache = True


@compiles(JsonObject, "postgresql")
def _postgres_object(element: JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_build_object({compiler.process(element.clauses, **kw)})"


@compiles(JsonObject, "sqlite")
def _sqlite_object(element: JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


@compiles(Epoch, "postgresql")
def _postgres_epoch(element: Epoch, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(element.clauses, **kw)})) AS BIGINT)"


@compiles(Epoch, "sqlite")
def _sqlite_epoch(element: Epoch, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(element.clauses, **kw)}) AS INTEGER)"


def moment(value: datetime) -> ColumnElement[datetime]:
    """Return a moment as both databases compare it with a column."""
    return literal(value, UtcDateTime())


def facts(values: dict[str, Any]) -> ColumnElement[Any]:
    """Return a JSON object of constants and expressions; moments become whole seconds since the epoch."""
    parts: list[ColumnElement[Any]] = []
    for name, value in values.items():
        expression = value if isinstance(value, ColumnElement) else literal(value)
        parts += [literal(name), Epoch(expression) if isinstance(expression.type, UtcDateTime) else expression]
    return JsonObject(*parts)


def key(campaign_id: int, period: ColumnElement[str] | str, user_id: SQLColumnExpression[int]) -> ColumnElement[str]:
    """Return the dedupe key of a campaign's email: it identifies the email, in any run."""
    return literal(f"c{campaign_id}:") + period + literal(":") + cast(user_id, String)
