"""What SQLite needs to be a database that several processes may write to."""

from typing import Any

from sqlalchemy import Connection, Engine, event

#: How long a writer waits for another one.
BUSY_TIMEOUT_MS = 30_000

#: An execution option of a connection whose transaction takes no lock, because it only reads.
READ_ONLY = "sqlite_read_only"


def prepare(engine: Engine) -> None:
    """Set WAL, a busy timeout, foreign keys and BEGIN IMMEDIATE on every connection of `engine`.

    With the driver's own deferred BEGIN a transaction that reads first and writes later fails with
    "database is locked" at once, whatever the timeout; IMMEDIATE makes it wait for its turn.
    """
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin_immediate)


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a settled mail must survive a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    reads = connection.get_execution_options().get(READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
