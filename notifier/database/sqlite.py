"""Configure SQLite so that several processes can write to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event

#: Milliseconds that a writer waits for another one.
BUSY_TIMEOUT_MS = 30_000

#: Execution options of a connection: READ_ONLY takes no lock and cannot write; IMPATIENT hardly waits for the lock.
READ_ONLY = "sqlite_read_only"
IMPATIENT = "sqlite_impatient"

#: Milliseconds that an impatient writer waits.
IMPATIENT_MS = 50

#: Key in the `info` of a connection: whether it refuses writes.
_REFUSES = "sqlite_query_only"


def prepare(engine: Engine, reads_only: Callable[[], bool] = lambda: False) -> None:
    """Set WAL, a busy timeout, foreign keys and the right BEGIN on every connection of `engine`.

    A transaction that may write begins IMMEDIATE, which waits for its turn. With the driver's deferred BEGIN, one that
    reads first and writes later would fail with "database is locked" at once, in spite of the timeout. A transaction
    that only reads, by READ_ONLY or `reads_only()`, takes no lock, waits for none, and cannot write.
    """
    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", partial(_begin, reads_only))


def configure(connection: Any, _record: Any) -> None:
    """Set WAL, a busy timeout and foreign keys on a new connection of the driver."""
    connection.isolation_level = None  # the driver must not begin by itself
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a settled email must survive a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(reads_only: Callable[[], bool], connection: Connection) -> None:
    begin(connection, reads=reads_only())


def begin(connection: Connection, *, reads: bool) -> None:
    """Begin a transaction; with `reads`, or the option READ_ONLY, one that takes no lock and cannot write."""
    options = connection.get_execution_options()
    reads = reads or bool(options.get(READ_ONLY))
    refuse_writes(connection, reads)
    if reads:
        connection.exec_driver_sql("BEGIN")
    elif options.get(IMPATIENT):
        _begin_impatiently(connection)
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def refuse_writes(connection: Connection, refuse: bool) -> None:
    """Let SQLite refuse every write on this connection, or not, before a transaction begins."""
    if refuse is not connection.info.get(_REFUSES, False):
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if refuse else 'OFF'}")
        connection.info[_REFUSES] = refuse


def _begin_impatiently(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {IMPATIENT_MS}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Switch foreign keys off on SQLite: altering a table replaces it, and dropping the old one deletes references.

    A transaction that is still open at the end is rolled back. Raise RuntimeError if one is open at the beginning,
    because SQLite ignores the switch inside of it, and SystemExit if rows point at nothing afterwards: a fault of the
    migration. Other databases, and connections without foreign keys, are left as they are.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    # Of the driver: SQLAlchemy would begin a transaction.
    driver: Any = connection.connection.driver_connection
    if not driver.execute("PRAGMA foreign_keys").fetchone()[0]:
        yield
        return
    if driver.in_transaction:
        raise RuntimeError("the connection has a transaction already: call foreign_keys_off before it begins")
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise SystemExit(f"{len(broken)} rows point at nothing after the migration, the first is {broken[0]}")
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys = ON")
