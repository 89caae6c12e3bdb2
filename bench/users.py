"""`python -m bench.users`: find planted differences between a host's users and their mirror, and mend them.

One Postgres of its own, durable. The host's users have an address, a name, a date of confirmation, a language and a
time zone, at domains of which half have one user each; the mirror is made by SQL. Then statements that no hook sees
plant the differences. It prints the seconds, those of this process's CPU, and the memory of this process after a tenth
of the users and after all of them. Exit with 1 if a difference is not found or not mended, the check takes 60 s or
more, or memory grows by more than 10 %.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import DateTime, Engine, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from bench.servers import DURABLE
from notifier.embedding import Base, Notifier, UserFields
from notifier.embedding.differences import UserCheck
from notifier.testing.servers.postgres import PostgresServer

DATABASE = "bench_users"

#: The most that the check may take, in seconds, and that memory may grow, as a share.
MOST_SECONDS, MOST_GROWTH = 60.0, 0.1

_USERS: Final = """
INSERT INTO users (id, email, name, confirmed_at, lang, tz)
SELECT n, 'User.' || n || CASE WHEN n % 2 = 0 THEN '@example.com' ELSE '@d' || n || '.example.org' END,
       'User ' || n, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second', 'en', 'Europe/Berlin'
FROM generate_series(1, :users) AS n
"""

_MIRROR: Final = """
INSERT INTO notifier_users (external_id, email, identity_key, abuse_key, display_name, locale, timezone, verified_at,
                            confirms_here, link_nonce, created_at)
SELECT id::text, email, lower(email), lower(email), name, lang, tz, confirmed_at, false, substr(md5(id::text), 1, 22),
       now()
FROM users ORDER BY md5(id::text)
"""

#: (what no hook sees, how many people of each hundred)
_PLANTED: Final = (
    ("INSERT INTO users SELECT id + {users}, email, name, confirmed_at, lang, tz FROM ({some}) AS s", 20),
    ("DELETE FROM users WHERE id IN (SELECT id FROM ({some}) AS s)", 20),
    ("UPDATE users SET email = 'new.' || email WHERE id IN (SELECT id FROM ({some}) AS s)", 20),
    ("UPDATE users SET name = 'Changed', tz = 'UTC' WHERE id IN (SELECT id FROM ({some}) AS s)", 20),
    ("UPDATE users SET confirmed_at = NULL WHERE id IN (SELECT id FROM ({some}) AS s)", 20),
)

console = Console(width=120)


class Host(DeclarativeBase):
    """The tables of the application."""


class User(Host):
    """A user of the application."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lang: Mapped[str]
    tz: Mapped[str]


def fields(user: User) -> UserFields:
    """Map a user."""
    return UserFields(
        id=user.id,
        email=user.email,
        name=user.name,
        verified_at=user.confirmed_at,
        locale=user.lang,
        timezone=user.tz,
    )


class Memory:
    """The memory of this process after a tenth of the users, and at most after that, in bytes."""

    def __init__(self) -> None:
        self.tenth = self.most = 0

    def note(self, done: int, total: int) -> None:
        """Measure, once a page."""
        if done * 10 < total:
            return
        # Of this process alone: Postgres is a child of it.
        now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.tenth = self.tenth or now
        self.most = max(self.most, now)

    @property
    def growth(self) -> float:
        """Return by how much it grew, as a share."""
        return self.most / self.tenth - 1


def populate(engine: Engine, users: int) -> None:
    """Create the tables, the users and their mirror."""
    Host.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(_USERS), {"users": users})
        connection.execute(text(_MIRROR))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("users", "notifier_users"):
            connection.execute(text(f"VACUUM ANALYZE {table}"))


def plant(engine: Engine, users: int, differences: int) -> int:
    """Change the host's users by SQL. Return how many people now differ."""
    planted = start = 0
    with engine.begin() as connection:
        for statement, share in _PLANTED:
            number = differences * share // 100
            # Spread over all of the users, and none is taken twice.
            step = users // (differences + 1)
            some = f"SELECT * FROM users WHERE id % {step} = 0 AND id / {step} BETWEEN {start + 1} AND {start + number}"
            planted += connection.execute(text(statement.format(users=users, some=some))).rowcount
            start += number
    return planted


def measure(engine: Engine, users: int, differences: int) -> bool:
    """Measure, and print. Return whether everything was found and mended in time."""
    notifier = Notifier()
    notifier.user(User)(fields)
    notifier.watch(sessionmaker(engine))
    planted = plant(engine, users, differences)
    memory = Memory()
    cpu = time.process_time()
    found, seconds = _timed(partial(notifier.check_users, on_progress=memory.note))
    cpu = time.process_time() - cpu
    mended, mending = _timed(notifier.sync_users)
    rest, _ = _timed(notifier.check_users)
    headings = (
        "users",
        "planted",
        "found",
        "check, s",
        "CPU, s",
        "sync, s",
        "left",
        "MB at 10 %",
        "MB at most",
        "load",
    )
    table = Table(*headings)
    table.add_row(
        f"{found.users:,}", f"{planted:,}", f"{found.differences:,}", f"{seconds:.1f}", f"{cpu:.1f}", f"{mending:.1f}",
        f"{rest.differences:,}", f"{memory.tenth / 1e6:.1f}", f"{memory.most / 1e6:.1f}", f"{os.getloadavg()[0]:.1f}",
    )  # fmt: skip
    console.print(table)
    is_right = found.differences == mended.differences == planted and rest.is_clean
    return is_right and seconds < MOST_SECONDS and memory.growth <= MOST_GROWTH


def _timed(work: Callable[[], UserCheck]) -> tuple[UserCheck, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def main() -> int:
    """Run it. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, default=100, help="at most one of every ten users")
    args = parser.parse_args()
    with PostgresServer(own=True, settings=DURABLE) as postgres:
        engine = create_engine(postgres.create_database(DATABASE))
        try:
            populate(engine, args.users)
            return 0 if measure(engine, args.users, args.differences) else 1
        finally:
            engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
