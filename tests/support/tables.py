"""The tables of a database as it describes them itself, to the last index, default and trigger."""

import re

from sqlalchemy import Engine

from notifier.database.base import VERSION_TABLE

_SQLITE = "SELECT type, tbl_name, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"

#: Every line is (kind, table, name, definition).
_POSTGRES = (
    """SELECT 'column', c.table_name, column_name,
           concat_ws(' ', udt_name, character_maximum_length, is_nullable, column_default)
       FROM information_schema.columns AS c WHERE table_schema = 'public'""",
    """SELECT 'storage', relname, relname, array_to_string(reloptions, ', ')
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL""",
    "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    """SELECT 'function', '', proname, pg_get_functiondef(oid)
       FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
)


def schema(engine: Engine) -> set[tuple[str, str, str, str]]:
    """Everything that the database knows of its tables, but for Alembic's own."""
    queries = (_SQLITE,) if engine.dialect.name == "sqlite" else _POSTGRES
    with engine.connect() as connection:
        rows = [tuple(row) for query in queries for row in connection.exec_driver_sql(query)]
    return {(kind, table, name, _plain(sql)) for kind, table, name, sql in rows if table != VERSION_TABLE}


def _plain(sql: str) -> str:
    """Without white space and quotes, and with the lines of a table in an order of their own."""
    return " | ".join(sorted(re.sub(r"\s+|\"", " ", line).strip(" ,") for line in sql.splitlines()))
