"""The servers of all contenders: one Postgres, one Valkey, one folder; and a new sink for each run."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from bench.arithmetic import Accepted, parse_log
from bench.children import READY_SECONDS, Child, clean_env
from bench.mails import TEMPLATES, flatten_templates
from notifier import clock, migrating
from notifier.accounts.seeds import seed
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.testing.applications import merge_templates
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.valkey import ValkeyServer

SECRET = "bench-key-that-is-long-enough-for-everything"


#: A durable Postgres, as in production.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB"}


@dataclass(frozen=True)
class Stage:
    """The shared environment of all contenders."""

    postgres: PostgresServer
    valkey: ValkeyServer
    #: Removed at the end.
    folder: Path
    #: Templates of the project and the bench, and flat ones for the others.
    templates: Path
    flat: Path
    #: The interpreter of the contenders' own environment.
    other_python: str

    @property
    def dsn(self) -> str:
        """Return the database of the race, for psycopg."""
        return self.postgres.dsn("bench")

    def env(self) -> dict[str, str]:
        """Return the environment of our programs."""
        own = {
            "BENCH_DSN": self.dsn,
            "BENCH_REDIS": self.valkey.url,
            "BENCH_TEMPLATES": str(self.templates),
            "BENCH_FLAT": str(self.flat),
        }
        return clean_env(own)

    def recipients(self, mails: int) -> list[str]:
        """Return the recipients of a run."""
        with psycopg.connect(self.dsn) as connection:
            query = "SELECT email FROM notifier_users ORDER BY id LIMIT %s"
            return [row[0] for row in connection.execute(query, (mails,))]

    def forget(self) -> None:
        """Empty the broker."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def execute(self, *statements: str) -> None:
        """Run statements in the database of the race, each in a transaction of its own."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def open_stage(users: int, other_python: str) -> Iterator[Stage]:
    """Start the servers, migrate and seed `users` verified users; remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="notifier-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(PostgresServer(own=True, settings=DURABLE))
        valkey = stack.enter_context(ValkeyServer(own=True))
        templates = merge_templates(folder / "templates", TEMPLATES)
        stage = Stage(postgres, valkey, folder, templates, flatten_templates(templates, folder), other_python)
        _populate(postgres.create_database("bench"), users)
        yield stage


def _populate(url: str, users: int) -> None:
    app = create_app(Settings(_env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET]))
    with app.app_context():
        migrating.upgrade()
        for _ in seed(db.session(), users=users, verified=1.0, activities=0, now=clock.now()):
            pass
        db.session.remove()
        db.engine.dispose()


class Sink:
    """A mail server that accepts everything, with a log of its own (notifier/testing/sink.py)."""

    def __init__(self, child: Child, port: int, log: Path) -> None:
        self.pid = child.pid
        self.port = port
        self._log = log
        self._read = 0
        self._rest = ""
        #: All emails accepted until the last `look`.
        self.accepted: list[Accepted] = []

    def look(self) -> list[Accepted]:
        """Read new lines of the log and return them."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        self._read += len(data)
        text = self._rest + data.decode()
        end = text.rfind("\n") + 1
        self._rest = text[end:]
        new = parse_log(text[:end])
        self.accepted += new
        return new


@contextmanager
def open_sink(folder: Path, delay_ms: float) -> Iterator[Sink]:
    """Start a sink whose replies take `delay_ms`, with a new log in `folder`."""
    log = folder / "accepted.log"
    log.write_bytes(b"")
    argv = [sys.executable, "-m", "notifier.testing.sink", "--delay-ms", str(delay_ms), "--log", str(log)]
    with Child("sink", argv, clean_env({}), folder) as child:
        yield Sink(child, int(child.hear("listening on", READY_SECONDS)), log)
