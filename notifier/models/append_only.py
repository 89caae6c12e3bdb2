"""Make the database itself refuse updates of tables whose rows are only added."""

from typing import cast

from sqlalchemy import DDL, Table, event
from sqlalchemy.sql.ddl import ExecutableDDLElement


def refuse_updates(table: object, message: str) -> None:
    """Make every UPDATE of `table` fail with `message`, on both databases, once the table is created."""
    made = cast("Table", table)
    name = made.name
    on_postgres = (
        f"CREATE OR REPLACE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$",
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()",
    )
    on_sqlite = f"CREATE TRIGGER {name}_append_only BEFORE UPDATE ON {name} BEGIN SELECT RAISE(ABORT, '{message}'); END"
    for statement in on_postgres:
        event.listen(made, "after_create", _ddl(statement, "postgresql"))
    event.listen(made, "after_create", _ddl(on_sqlite, "sqlite"))


def _ddl(statement: str, dialect: str) -> ExecutableDDLElement:
    return DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
