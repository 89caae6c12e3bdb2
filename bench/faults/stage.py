"""The servers of all faults: one Postgres, one Valkey, one seeded database."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis
import structlog
from flask import Flask

from notifier import clock, migrating
from notifier.accounts.seeds import seed
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.sender_auth import DnsResolver, Resolver
from notifier.services import services_of
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.rabbitmq import RabbitServer
from notifier.testing.servers.valkey import ValkeyServer

SECRET = "faults-key-that-is-long-enough-for-everything"

#: In production the sweep queues bulk email again after ten minutes, which is too long here.
ENQUEUE_AGAIN_AFTER = timedelta(seconds=8)

#: In production an expansion without progress for a minute is restarted.
STALE = timedelta(seconds=2)

#: Those that faults fill; the accounts stay.
_TABLES = ", ".join(
    f"notifier_{name}"
    for name in (
        "heartbeats", "notifications", "attempts", "suppressions", "transports", "paces", "preferences",
        "campaign_runs", "campaigns", "content_versions", "audit_entries", "signup_emails", "account_requests",
        "provider_holds", "domain_providers", "tallies", "metric_totals",
    )
)  # fmt: skip

#: Commits survive a kill -9 of the server (not of the host: fsync stays off).
COMMITTED = {"synchronous_commit": "on", "shared_buffers": "256MB"}


@dataclass(frozen=True)
class Stage:
    """The shared environment of all faults."""

    postgres: PostgresServer
    valkey: ValkeyServer
    #: Started when the first fault needs it.
    rabbit: RabbitServer
    #: Removed at the end.
    folder: Path
    app: Flask

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own. Return its rows, if it has any."""
        with psycopg.connect(self.postgres.dsn("faults"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def broker(self, kind: str) -> ValkeyServer | RabbitServer:
        """Return the running broker of this kind, "redis" or "rabbitmq"."""
        server: ValkeyServer | RabbitServer = self.valkey if kind == "redis" else self.rabbit
        server.start()
        return server

    def broker_env(self, kind: str) -> dict[str, str]:
        """Empty this broker, and return the environment of its processes."""
        if kind == "redis":
            return {"REDIS_URL": self.broker(kind).url}
        url = self.broker(kind).url
        self.rabbit.empty()
        return {"CELERY_BROKER_URL": url}

    def redis(self) -> "redis.Redis":
        """Return a client of the broker."""
        return redis.Redis.from_url(self.valkey.url)

    def forget(self) -> None:
        """Remove the traces of the fault before."""
        self.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY CASCADE")
        with self.redis() as client:
            client.flushall()
        shutil.rmtree(self.folder / "journal", ignore_errors=True)


@contextmanager
def open_stage(users: int, *, keep: bool = False, resolver: Callable[[], Resolver] = DnsResolver) -> Iterator[Stage]:
    """Start the servers, migrate, seed `users` unverified users; stop all, and remove it unless `keep`.

    `resolver`: makes the DNS resolver of the driver's application.
    """
    folder = Path(tempfile.mkdtemp(prefix="notifier-faults-"))
    with ExitStack() as stack:
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        log = stack.enter_context((folder / "driver.log").open("a", buffering=1))
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
        postgres = stack.enter_context(PostgresServer(own=True, settings=COMMITTED))
        valkey = stack.enter_context(ValkeyServer(own=True))
        app = create_app(
            Settings(
                _env_file=None,
                notifier_env="test",
                notifier_data_dir=folder,
                secret_keys=[SECRET],
                database_url=postgres.create_database("faults"),
                redis_url=valkey.url,
                # A single thread makes a flood of sign-ups.
                form_answer_step=0,
            ),
            resolver=resolver,
        )
        parts = services_of(app)
        parts.sweep.enqueue_again_after = {False: parts.sweep.enqueue_again_after[False], True: ENQUEUE_AGAIN_AFTER}
        parts.tick.stale = STALE
        with app.app_context():
            migrating.upgrade()
            for _ in seed(db.session(), users=users, verified=0.0, activities=0, now=clock.now()):
                pass
            db.session.remove()
        rabbit = RabbitServer()
        stack.callback(rabbit.stop)
        yield Stage(postgres, valkey, rabbit, folder, app)
        with app.app_context():
            db.engine.dispose()
