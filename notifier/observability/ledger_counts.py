"""Count rows of the ledger for monitoring: many counts in few statements, and none of them reads far.

A scrape comes every few seconds, also while a million emails wait. On Postgres each count stops early, and what is
more is what the planner expects. SQLite has no such estimate, so it counts all.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.orm import Session

from notifier.database.types import UtcDateTime

#: Rows above which a number is estimated.
EXACT_UP_TO = 50_000

#: Rows that are counted before the planner is asked: nearly always there are fewer.
FEW = 2_000

_ROWS = "FROM notifier_notifications WHERE "

#: Conditions by name, as SQL.
Conditions = Mapping[str, str]
Moments = Mapping[str, datetime]


def count(session: Session, conditions: Conditions, moments: Moments) -> Mapping[str, int]:
    """Count the rows of each condition: exactly up to EXACT_UP_TO, and beyond by what Postgres' planner expects.

    Args:
        session: Reads; the caller ends its transaction.
        conditions: SQL that indexes answer, by the names of the result. Only code writes it.
        moments: The values that the conditions name, such as `:now`.
    """
    if session.get_bind().dialect.name != "postgresql":
        return _count(session, conditions, moments, None)
    few = min(FEW, EXACT_UP_TO)
    found = _count(session, conditions, moments, few)
    expected = {name: _expected(session, conditions[name], moments) for name, rows in found.items() if rows > few}
    exact = {name: conditions[name] for name, rows in expected.items() if rows <= EXACT_UP_TO}
    return found | expected | (_count(session, exact, moments, EXACT_UP_TO) if exact else {})


def first(session: Session, column: str, conditions: Conditions, moments: Moments) -> Mapping[str, datetime | None]:
    """Return the earliest moment in this column of the rows of each condition; None if there are none."""
    each = (f"(SELECT min({column}) {_ROWS}{where}) AS {name}" for name, where in conditions.items())
    statement = _typed(each, conditions.values(), moments).columns(**dict.fromkeys(conditions, UtcDateTime()))
    return dict(session.execute(statement, _named(conditions.values(), moments)).mappings().one())


def _count(session: Session, conditions: Conditions, moments: Moments, limit: int | None) -> dict[str, int]:
    """Count the rows of each condition in one statement; each count stops behind `limit`."""
    stop = "" if limit is None else f" LIMIT {limit + 1}"
    each = (
        f"(SELECT count(*) FROM (SELECT 1 {_ROWS}{where}{stop}) AS few) AS {name}" for name, where in conditions.items()
    )
    statement = _typed(each, conditions.values(), moments)
    return dict(session.execute(statement, _named(conditions.values(), moments)).mappings().one())


def _expected(session: Session, where: str, moments: Moments) -> int:
    values = _named([where], moments)
    explain = text(f"EXPLAIN (FORMAT JSON) SELECT 1 {_ROWS}{where}").bindparams(*_parameters(values))
    plan = session.scalar(explain, values)
    found = json.loads(plan) if isinstance(plan, str) else plan
    return int(found[0]["Plan"]["Plan Rows"])


def _typed(columns: Iterable[str], conditions: Iterable[str], moments: Moments) -> TextClause:
    return text(f"SELECT {', '.join(columns)}").bindparams(*_parameters(_named(conditions, moments)))


def _parameters(values: Moments) -> list[Any]:
    return [bindparam(name, type_=UtcDateTime()) for name in values]


def _named(conditions: Iterable[str], moments: Moments) -> dict[str, datetime]:
    """Return those of `moments` that these conditions name."""
    said = " ".join(conditions)
    return {name: value for name, value in moments.items() if f":{name}" in said}
