"""Processor time: on a machine that others use, too, it says what work costs, and the clock says what they did."""

import time
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import Engine, text


def backends_of(engine: Engine) -> list[int]:
    """Return the ids of the server processes of this database's connections; none for SQLite, which has no server.

    The server must run on this machine.
    """
    if engine.dialect.name != "postgresql":
        return []
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    with engine.connect() as connection:
        return list(connection.scalars(text(query)))


def used(backends: Collection[int] = ()) -> float:
    """Return the processor seconds of this process and of these server processes so far."""
    return time.process_time() + sum(_of_process(pid) for pid in backends)


def _of_process(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
