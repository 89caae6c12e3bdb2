"""Make connection pools survive forks and restarted servers, which SQLAlchemy's pools do not do by themselves."""

import os
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, Pool, event
from sqlalchemy.exc import InvalidatePoolError

#: Seconds of idleness below which a connection is not pinged. SQLAlchemy's own pre-ping asks every time, which costs
#: every transaction one more round trip.
PING_AFTER_IDLE_SECONDS = 0.5

_USED = "used"

_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
#: Pools of the parent process. They are kept, because a connection that is garbage-collected is closed.
_inherited: list[Pool] = []


def prepare(engine: Engine, ping: Callable[[Any], None] | None) -> None:
    """Never share a pooled connection with a forked child; with `ping`, never hand out a dead one.

    `ping` checks a connection that was idle. If it raises the driver's error, all connections of the pool are replaced.
    """
    _engines.add(engine)
    if ping is None:
        return

    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        # A new connection has no mark.
        if now - record.info.get(_USED, now) <= PING_AFTER_IDLE_SECONDS:
            return
        try:
            ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkout", ask)
    event.listen(engine, "checkin", _mark)


def _mark(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _forget() -> None:
    """Give a forked child new pools: two processes on one connection would read each other's answers."""
    for engine in list(_engines):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget)
