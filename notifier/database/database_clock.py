"""Provide the database's clock, which all hosts share; leases are measured by it.

The clock of a host may be minutes wrong. So a process reads the database's clock once in a while, and in between adds
the elapsed monotonic seconds, which changes of its own clock do not affect.
"""

from datetime import datetime, timedelta
from threading import Lock

import structlog
from sqlalchemy import Engine, text

from notifier import clock

log = structlog.get_logger(__name__)


class DatabaseClock:
    """The present moment by the database's clock. Threads may share an instance."""

    def __init__(self, engine: Engine, *, max_age: float = 60.0, warn_above: float = 5.0) -> None:
        """Prepare to measure by `engine`, with a separate connection.

        Args:
            engine: The database.
            max_age: Seconds for which a measurement is used.
            warn_above: Seconds that the clock of this host may differ before a warning is logged.
        """
        self._engine = engine
        self._max_age = max_age
        self._warn_above = warn_above
        self._lock = Lock()
        #: The database's moment, and when it was measured (`clock.elapsed`).
        self._measured: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the present moment. Raise DBAPIError if it has to be measured and the database does not answer."""
        with self._lock:
            if self._measured is None or clock.elapsed() - self._measured[1] > self._max_age:
                self._measured = self._measure()
            moment, at = self._measured
        return moment + timedelta(seconds=clock.elapsed() - at)

    def difference(self) -> float:
        """Return how many seconds the clock of this host is ahead (below 0: behind). Raise as `now` does."""
        return (clock.now() - self.now()).total_seconds()

    def _measure(self) -> tuple[datetime, float]:
        before = clock.elapsed()
        if self._engine.dialect.name == "sqlite":  # the database runs in this process, with its clock
            return clock.now(), before
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        # The answer was made at some time between the query and its arrival: assume the middle.
        middle = (before + clock.elapsed()) / 2
        ahead = (clock.now() - moment).total_seconds() - (clock.elapsed() - middle)
        if abs(ahead) > self._warn_above:
            log.warning("clock.differs", seconds_ahead_of_database=round(ahead, 1))
        return moment, middle
