"""What a pool of database connections needs beyond SQLAlchemy's own: forks, and servers that were restarted."""

import os
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, Pool, event
from sqlalchemy.exc import InvalidatePoolError

#: A connection that was used so lately, in seconds, is believed to live. SQLAlchemy's own pre-ping asks every time,
#: which is one round trip more for each transaction: of a signup's mail, and of each batch.
PING_AFTER_IDLE_SECONDS = 0.5

_USED = "used"

_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
#: Pools of the parent. Kept, because whoever drops a connection closes it.
_inherited: list[Pool] = []


def prepare(engine: Engine, ping: Callable[[Any], None] | None) -> None:
    """Never share a pooled connection with a forked child; with `ping`, never hand out one whose server is gone.

    A connection that lay unused is asked whether it still lives: `ping` raises the driver's error where it does not,
    and all of the pool are replaced.
    """
    _engines.add(engine)
    if ping is None:
        return

    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        # One that has just been made has no mark.
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
    """In a forked child: two processes on one connection read each other's answers, or wait for them for ever."""
    for engine in list(_engines):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget)
