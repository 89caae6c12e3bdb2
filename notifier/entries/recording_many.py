"""Thousands of activities in one statement."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection, CursorResult, Table, Text, bindparam, column, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB

from notifier import clock
from notifier.entries.namespaces import in_namespace
from notifier.entries.recording import Happened
from notifier.models import Activity

_TABLE = cast("Table", Activity.__table__)

_COLUMNS: Final = ("external_id", "user_id", "kind", "actor", "object_key", "object_title", "occurred_at")


class Counted(NamedTuple):
    """How many of the activities are new, and how many were known by their ids."""

    stored: int
    known: int


def write_many(connection: Connection, items: Sequence[tuple[int, Happened]], *, principal: str | None) -> Counted:
    """Write what happened to the people with these keys. A known id counts as known, also with other content.

    An id that occurs twice among them is known the second time. The caller commits.
    """
    if not items:
        return Counted(0, 0)
    now = clock.now()
    rows = [
        {
            "external_id": None if what.id is None else in_namespace(principal, what.id),
            "user_id": user_id,
            **what.content,
            "occurred_at": what.at or now,
        }
        for user_id, what in items
    ]
    # In one order, so that two transactions with the same ids cannot deadlock.
    rows.sort(key=lambda row: cast("str", row["external_id"] or ""))
    stored = _on_postgres(connection, rows) if connection.dialect.name == "postgresql" else _on_sqlite(connection, rows)
    return Counted(stored, len(items) - stored)


def _on_postgres(connection: Connection, rows: list[dict[str, Any]]) -> int:
    # As one JSON text, whose statement never changes: thousands of parameters would take longer than their rows.
    text = json.dumps(rows, default=datetime.isoformat, ensure_ascii=False)
    counting = {"preserve_rowcount": True}
    result = connection.execute(_statement(), {"b_rows": text}, execution_options=counting)
    return cast("CursorResult[Any]", result).rowcount


def _on_sqlite(connection: Connection, rows: list[dict[str, Any]]) -> int:
    statement = sqlite.insert(_TABLE).on_conflict_do_nothing()
    return connection.execute(statement, rows).rowcount


@cache
def _statement() -> postgresql.Insert:
    given = func.jsonb_to_recordset(sql_cast(bindparam("b_rows", type_=Text()), JSONB()))
    # As texts of any length: a cast to VARCHAR(n) would silently cut what is too long.
    types = {name: _TABLE.c[name].type if name in ("user_id", "occurred_at") else Text() for name in _COLUMNS}
    rows = given.table_valued(*(column(name, types[name]) for name in _COLUMNS)).render_derived(
        name="given", with_types=True
    )
    filled = postgresql.insert(_TABLE).from_select(list(_COLUMNS), select(*(rows.c[name] for name in _COLUMNS)), False)
    return filled.on_conflict_do_nothing()
