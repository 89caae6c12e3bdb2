"""Pass many rows to one statement: on Postgres as one JSON text, so that the text of the statement never changes.

A thousand rows as separate parameters take longer to write into the statement, and to parse, than to store.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, TableValuedAlias, Text, bindparam, cast, column, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session
from sqlalchemy.types import String, TypeEngine

#: The name of the parameter with the rows.
ROWS = "b_rows"


def rows_of(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """Return the rows of the parameter ROWS, as a table with these columns, for a statement on Postgres.

    Texts have no length here: a cast to VARCHAR(n) would silently cut one that is too long.
    """
    columns = [column(name, Text() if isinstance(of, String) else of) for name, of in types.items()]
    made = func.jsonb_to_recordset(cast(bindparam(ROWS, type_=Text()), JSONB()))
    return made.table_valued(*columns, name="listed").render_derived(with_types=True)


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return these rows as the value of ROWS."""
    return json.dumps(rows, default=datetime.isoformat, ensure_ascii=False)


def insert_all(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert these rows, which have the same columns, with one statement. The caller commits."""
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_from_text(table, tuple(rows[0])), {ROWS: as_text(rows)})
    else:
        session.execute(insert(table), list(map(dict, rows)))


def insert_new(
    session: Session, table: Table, rows: Sequence[Mapping[str, Any]], *, unique: Sequence[str]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Insert these rows, which have the same columns. Return the new ones as (id, the columns of `unique`).

    A row whose columns `unique` are taken, also by one before it, is left out. The caller commits.
    """
    returned = [table.c.id, *(table.c[name] for name in unique)]
    if session.get_bind().dialect.name == "postgresql":
        added = _from_text(table, tuple(rows[0])).on_conflict_do_nothing(index_elements=unique)
        return session.execute(added.returning(*returned), {ROWS: as_text(rows)}).all()
    statement = sqlite.insert(table).on_conflict_do_nothing(index_elements=unique)
    return session.execute(statement.returning(*returned), list(map(dict, rows))).all()


def _from_text(table: Table, names: tuple[str, ...]) -> postgresql.Insert:
    listed = rows_of({name: table.c[name].type for name in names})
    return postgresql.insert(table).from_select(list(names), select(*(listed.c[name] for name in names)))
