"""Read a snapshot of the database that holds no lock and cannot write, with or without Flask."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from notifier.database.sqlite import READ_ONLY


@contextmanager
def reading(session: Callable[[], Session]) -> Iterator[Session]:
    """Yield the current session as a read-only snapshot of the database that holds no lock.

    It is rolled back at the end, so only plain values may leave the block. Raise RuntimeError if a transaction is
    already open.
    """
    current = session()
    if current.in_transaction():
        raise RuntimeError("a transaction is already open: its changes would be lost")
    postgres = current.get_bind().dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if postgres else {READ_ONLY: True}
    current.connection(execution_options=options)
    try:
        yield current
    finally:
        current.rollback()
