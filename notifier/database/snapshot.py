"""Read a snapshot of the database that holds no lock and cannot write, with or without Flask."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from notifier.database.sqlite import READ_ONLY


@contextmanager
def reading(session: Callable[[], Session], mapper: type[Any] | None = None) -> Iterator[Session]:
    """Yield the current session as a read-only snapshot of the database that holds no lock.

    `mapper` is a mapped class on the engine that is read, for sessions that have several. The session is rolled back at
    the end, so only plain values may leave the block. Raise RuntimeError if a transaction is already open.
    """
    current = session()
    if current.in_transaction():
        raise RuntimeError("a transaction is already open: its changes would be lost")
    bind: dict[str, Any] = {} if mapper is None else {"mapper": mapper}
    postgres = current.get_bind(**bind).dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if postgres else {READ_ONLY: True}
    current.connection(bind_arguments=bind, execution_options=options)
    try:
        yield current
    finally:
        current.rollback()
