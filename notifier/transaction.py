"""A short transaction of one's own, and one that cannot write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from notifier.sqlite import READ_ONLY


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
    """Ask the database for nothing. Raises SQLAlchemyError where it does not answer."""
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
    connection = current.connection(execution_options=options)
    try:
        if not postgres:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        yield current
    finally:
        if not postgres:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        current.rollback()
