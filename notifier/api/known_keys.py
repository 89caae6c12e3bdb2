"""The keys of requests, each looked up once in a while: a program asks a hundred times a second with the same one."""

from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.sqlite import READ_ONLY
from notifier.operators import api_keys
from notifier.operators.api_keys import Known

#: Seconds for which a key is believed to be as it was: a revoked one works no longer than that.
SECONDS: Final = 1.0


class _Seen(NamedTuple):
    row: Known
    #: `clock.elapsed()`.
    at: float


class KnownKeys:
    """The keys that this process looked up within SECONDS. There is nothing of their secrets here but digests."""

    def __init__(self, session: Callable[[], Session]) -> None:
        """Create one. `session` returns the current session."""
        self._session = session
        #: Only keys that there are: guessed ids do not fill it.
        self._seen: dict[int, _Seen] = {}
        self._lock = Lock()

    def find(self, pk: int) -> Known | None:
        """Return the key with this id as it was within the last second, whether it works or not; None: there is none.

        The caller compares its secret, and whether it has expired, with every request.
        """
        now = clock.elapsed()
        with self._lock:
            seen = self._seen.get(pk)
        if seen is not None and now - seen.at < SECONDS:
            return seen.row
        row = self._look_up(pk)
        with self._lock:
            if row is not None:
                self._seen[pk] = _Seen(row, now)
            else:
                self._seen.pop(pk, None)
        return row

    def forget(self, pk: int) -> None:
        """Look this key up again with its next request."""
        with self._lock:
            self._seen.pop(pk, None)

    def _look_up(self, pk: int) -> Known | None:
        session = self._session()
        apart = session.get_bind().dialect.name == "sqlite"
        if apart:
            # A request that is refused must not wait for a writer. On Postgres none waits: one transaction is enough.
            session.connection(execution_options={READ_ONLY: True})
        row = api_keys.look_up(session, pk)
        if apart:
            session.rollback()
        return row
