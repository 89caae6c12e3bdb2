"""Run short transactions, and transactions that cannot write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import g, has_app_context, has_request_context, request
from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from notifier.database.sqlite import IMPATIENT, READ_ONLY

_READS_ONLY = "notifier_reads_only"
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@contextmanager
def transaction(session: Callable[[], Session]) -> Iterator[Session]:
    """Yield the current session; commit at the end, or roll back after an error."""
    current = session()
    try:
        yield current
        current.commit()
    except BaseException:
        current.rollback()
        raise


@contextmanager
def reading(session: Callable[[], Session]) -> Iterator[Session]:
    """Yield the current session for queries, on SQLite without a lock; then end the transaction."""
    current = session()
    if not current.in_transaction():
        current.connection(execution_options={READ_ONLY: True})
    try:
        yield current
    finally:
        current.rollback()


def check_answers(session: Session) -> None:
    """Run a trivial query, on SQLite without a lock. Raise SQLAlchemyError if the database does not answer."""
    with reading(lambda: session) as current:
        current.execute(select(literal(1)))


def reads_only() -> bool:
    """Return whether the present request or command promised not to write: a GET, or a call of `read_only`."""
    if not has_app_context():
        return False
    said: bool | None = g.get(_READS_ONLY)
    return said if said is not None else has_request_context() and request.method in _READING_METHODS


def read_only() -> None:
    """Promise not to write for the rest of this application context, so that SQLite takes no lock."""
    setattr(g, _READS_ONLY, True)


@contextmanager
def writing(session: Callable[[], Session], *, patient: bool = True) -> Iterator[Session]:
    """Run a short writing transaction within a read-only request. Objects that were read before are read again later.

    Without `patient`, SQLite does not wait for another writer: raise OperationalError if one holds the lock.
    """
    current, before = session(), g.get(_READS_ONLY)
    current.rollback()
    setattr(g, _READS_ONLY, False)
    try:
        if not patient:
            current.connection(execution_options={IMPATIENT: True})
        yield current
        current.commit()
    except BaseException:
        current.rollback()
        raise
    finally:
        setattr(g, _READS_ONLY, before)
