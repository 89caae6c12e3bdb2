"""Recognise errors of a database that is unreachable, full or busy: the same request may succeed in a moment."""

import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

#: SQLite's codes for problems with the file or its lock. "No such column" and similar errors are our own faults.
_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)

#: psycopg's errors for a lost connection, a server that starts, stops, is full or timed out, and a read-only one.
_POSTGRES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


def is_outage(error: BaseException | None) -> bool:
    """Return whether this error of SQLAlchemy comes from the database's state, not from the statement."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE
    return isinstance(original, _POSTGRES)
