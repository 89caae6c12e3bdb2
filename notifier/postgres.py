"""What the pool needs so that a Postgres that was restarted costs nobody a failure, and one that runs costs nothing."""

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

#: A connection that was used so lately, in seconds, is believed to live. SQLAlchemy's own pre-ping asks every time,
#: which is one round trip more for each transaction: of a signup's mail, and of each batch.
BELIEVED = 0.5

_USED = "used"


def prepare(engine: Engine) -> None:
    """Ask a connection that lay unused whether it still lives before it is handed out; where not, replace all."""

    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        # One that has just been made has no mark.
        if now - record.info.get(_USED, now) <= BELIEVED:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkout", ask)
    event.listen(engine, "checkin", _mark)


def _mark(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()
