"""A short transaction of one's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session


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
