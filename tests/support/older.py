"""Databases of the layout before the tables had their prefix: dumps that the migrations of that time made."""

import sqlite3
from pathlib import Path

import psycopg

DUMPS = Path(__file__).parent.parent / "data"


def make_sqlite(path: Path) -> bytes:
    """Make the database at `path`. Return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((DUMPS / "layout_0015.sqlite.sql").read_text())
    connection.close()
    return path.read_bytes()


def fill_postgres(dsn: str) -> None:
    """Make the tables in an empty database."""
    with psycopg.connect(dsn) as connection:
        connection.execute((DUMPS / "layout_0015.postgres.sql").read_bytes())


def rows_of(dsn: str) -> dict[str, list[str]]:
    """Each table of a Postgres database, with its rows as text."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: [row[0] for row in connection.execute(f'SELECT t::text FROM "{name}" AS t ORDER BY 1'.encode())]
            for (name,) in names
        }
