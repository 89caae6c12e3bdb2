"""Which errors say that the database is away, full or busy, and that the same request may work in a moment."""

import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

#: SQLite's codes for trouble with the file or its lock. "No such column" and the like are faults of ours.
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

#: psycopg's classes: the connection is gone; the server starts, stops, is full or gave up waiting; it only reads.
_POSTGRES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


def is_outage(error: BaseException | None) -> bool:
    """Whether this error of SQLAlchemy comes from the database's state, not from what was asked of it."""
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
