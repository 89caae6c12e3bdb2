"""A short transaction of one's own, one that cannot write, and what a request that only reads may do."""

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
    """The current session; committed at the end, rolled back where that fails."""
    current = session()
    try:
        yield current
        current.commit()
    except BaseException:
        current.rollback()
        raise


def check_answers(session: Session) -> None:
    """Ask the database for nothing, and on SQLite take no lock. Raises SQLAlchemyError if it does not answer."""
    if not session.in_transaction():
        session.connection(execution_options={READ_ONLY: True})
    session.execute(select(literal(1)))
    session.rollback()


@contextmanager
def reading(session: Callable[[], Session]) -> Iterator[Session]:
    """The current session, which sees the database as it is at one moment and cannot write to it; no lock is held.

    Rolled back at the end, so only plain values may leave. Raises RuntimeError where a transaction is open already.
    """
    current = session()
    if current.in_transaction():
        raise RuntimeError("a transaction is open: what it holds would be lost")
    postgres = current.get_bind().dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if postgres else {READ_ONLY: True}
    current.connection(execution_options=options)
    try:
        yield current
    finally:
        current.rollback()


def reads_only() -> bool:
    """Whether what is being done promised to change nothing: a GET, or a command that said so with `read_only`."""
    if not has_app_context():
        return False
    said: bool | None = g.get(_READS_ONLY)
    return said if said is not None else has_request_context() and request.method in _READING_METHODS


def read_only() -> None:
    """Promise for the rest of this application context that nothing is written: on SQLite no lock is taken."""
    setattr(g, _READS_ONLY, True)


@contextmanager
def writing(session: Callable[[], Session], *, patient: bool = True) -> Iterator[Session]:
    """A short transaction that may write, inside of what only reads. What was read before is read anew afterwards.

    With `patient` off, SQLite does not wait for another writer. Raises OperationalError where it is not our turn.
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
