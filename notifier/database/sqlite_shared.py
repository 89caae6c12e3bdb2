"""Configure an SQLite database that an application shares with us, in development and in tests.

That application's transactions behave as on Postgres by default (READ COMMITTED). One that has only read takes no lock
and sees one state of the database; with its first write it waits for its turn, and from then on it sees the newest
state. With the driver's own BEGIN, such a write fails with "database is locked" at once, in spite of the timeout, if
our worker has written meanwhile. If every transaction took the lock when it begins, as ours do, a test that has read
something would keep its own requests waiting.
"""

import re
import weakref
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from notifier.database import sqlite

#: Statements that need no lock. A WITH may write, so it is looked through.
_READS = re.compile(
    r"\s*(?:SELECT|VALUES|EXPLAIN|PRAGMA|WITH(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE)\b))\b", re.I | re.S
)

#: Key in the `info` of a connection.
_STATE: Final = "notifier_sqlite_state"


class _State(Enum):
    """How far the transaction of a connection is."""

    #: Nothing was executed yet.
    fresh = auto()
    #: It has only read.
    reading = auto()
    #: It has the lock, or nothing more is to be done.
    settled = auto()


#: By engine: whether the transaction that begins is one of our own application's, and if so, whether it only reads.
_ours: "weakref.WeakKeyDictionary[Engine, Callable[[], bool | None]]" = weakref.WeakKeyDictionary()


def prepare(engine: Engine) -> None:
    """Set WAL, a busy timeout and foreign keys on every connection of `engine`, and let its transactions wait.

    Call it once for each engine, before the first connection. Other databases are left as they are.
    """
    if engine.dialect.name != "sqlite":
        return
    event.listen(engine, "connect", sqlite.configure)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "before_cursor_execute", _before)


def tell_ours(engine: Engine, reads_only: Callable[[], bool | None]) -> None:
    """Register how our own application's transactions begin: at once with the lock, or without the right to write.

    `reads_only()`: None for a transaction of the other application.
    """
    _ours[engine] = reads_only


def _begin(connection: Connection) -> None:
    ask = _ours.get(connection.engine)
    reads = None if ask is None else ask()
    if _driver(connection).in_transaction:
        # In memory there is one connection for all sessions, whose transaction they share.
        connection.info[_STATE] = _State.settled
    elif reads is None:
        # The last transaction on it may have been one of ours that reads only.
        connection.info[_STATE] = _State.settled
        sqlite.refuse_writes(connection, False)
        connection.info[_STATE] = _State.fresh
    else:
        connection.info[_STATE] = _State.settled
        sqlite.begin(connection, reads=reads)


def _before(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
    state = connection.info.get(_STATE, _State.settled)
    if state is _State.settled:
        return
    if _READS.match(statement):
        if state is _State.fresh:
            cursor.execute("BEGIN")
            connection.info[_STATE] = _State.reading
        return
    if state is _State.reading:
        # Ends what it saw, not the transaction of the caller, which has written nothing.
        cursor.execute("COMMIT")
    cursor.execute("BEGIN IMMEDIATE")
    connection.info[_STATE] = _State.settled


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
