"""Fixtures of real databases, and of applications with real commits and a frozen clock.

`tests/conftest.py` registers this module for all rooms but the plain ones, because it imports all of notifier.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import structlog
import time_machine
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import create_engine

from notifier.app import create_app
from notifier.extensions import db
from notifier.observability import logs
from notifier.testing import clocks
from notifier.testing.applications import close, migrate
from notifier.testing.clocks import NOON
from notifier.testing.factories import make_notification, make_user
from notifier.testing.inline import Inline
from notifier.testing.servers import rabbitmq
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.rabbitmq import RabbitServer
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.settings import make_settings
from tests.support import quick
from tests.support.commands import Run, runner
from tests.support.needs import need

__all__ = ["NOON", "make_owed", "make_settings", "make_user", "migrate"]


class _Memory(BytecodeCache):
    """Compiled pages, kept for all applications of this process."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._pages.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._pages[bucket.key, bucket.checksum] = bucket.code


PAGES = _Memory()

#: What a form asks for, handled right after its request.
HANDLE_REQUESTS = Inline().replacements()["publish_requests"]

# Events go through logging, where pytest captures them and shows them for failures only.
structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()],
    logger_factory=structlog.stdlib.LoggerFactory(),
)


_configure = structlog.configure


def _configure_without_cache(**options: Any) -> None:
    """A logger that was cached while one test configured logging would keep that for all later tests."""
    _configure(**options | {"cache_logger_on_first_use": False})


structlog.configure = _configure_without_cache


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a command or an application of the test did to the logging of the process."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def pytest_collection_finish() -> None:
    """All modules are loaded now."""
    quick.install()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server for the whole run."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Redis-protocol server for the whole run. Tests that stop or pause one start their own."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """A RabbitMQ node for the whole run. Tests that stop or pause one start their own."""
    need(rabbitmq.find, "RABBITMQ")
    with RabbitServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The address of a migrated Postgres database."""
    url = postgres.create_database("notifier_test")
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty, migrated database: every test that uses it runs on both."""
    if request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "notifier.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    empty = request.getfixturevalue("empty_postgres")
    yield request.getfixturevalue("migrated_postgres")
    empty()


@pytest.fixture(scope="session")
def empty_postgres(migrated_postgres: str) -> Iterator[Callable[[], None]]:
    """Empties the database. For a few rows DELETE takes a tenth of the time of TRUNCATE."""
    names = [table.name for table in reversed(db.metadata.sorted_tables)]
    counted = [table.name for table in db.metadata.sorted_tables if "id" in table.columns]
    script = "".join(f"DELETE FROM {name};" for name in names) + "".join(
        f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 1, false);" for name in counted
    )
    # Several statements in one text cannot be prepared, which psycopg does to what comes often.
    options = {"prepare_threshold": None}
    engine = create_engine(migrated_postgres, isolation_level="AUTOCOMMIT", connect_args=options)

    def empty() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(script)

    yield empty
    engine.dispose()


@pytest.fixture
def make_app(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Flask]]:
    """Build applications on the test's database. `publish` takes the place of the broker for email.

    What a form asks for is then handled right after its request, unless `publish_requests` is given too.

    None of them configures logging, which counts for the whole process: later tests would read other lines.
    """
    monkeypatch.setattr(logs, "configure", lambda: None)
    apps: list[Flask] = []

    def make(publish: Any = None, publish_requests: Any = None, **values: Any) -> Flask:
        app = create_app(
            make_settings(**{"database_url": database_url} | values),
            publish=publish,
            publish_requests=publish_requests or (publish and HANDLE_REQUESTS),
        )
        app.jinja_env.bytecode_cache = PAGES
        apps.append(app)
        return app

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def run(app: Flask) -> Run:
    """Run a `notifier` command; see `runner`."""
    return runner(app)


@pytest.fixture
def enqueued() -> list[int]:
    """The primary keys that the outbox handed to the broker, in order."""
    return []


@pytest.fixture
def app(make_app: Callable[..., Flask], enqueued: list[int]) -> Flask:
    """An application whose broker is a list."""
    return make_app(publish=lambda keys, bulk: enqueued.extend(keys))


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The application, with its context pushed."""
    with app.app_context():
        yield app


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    """The clock stands at NOON until the test moves it; that of the database goes with it."""
    with clocks.frozen() as traveller:
        yield traveller


@pytest.fixture
def sqlite_app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An application on SQLite alone, for long tables of cases that do not touch what databases differ in."""
    path = tmp_path / "notifier.db"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    app = create_app(
        make_settings(database_url=f"sqlite:///{path}"),
        publish=lambda keys, bulk: None,
        publish_requests=HANDLE_REQUESTS,
    )
    app.jinja_env.bytecode_cache = PAGES
    yield app
    close(app)


def make_owed(number: int = 1, **values: object) -> int:
    """The key of a stored notification to user<number>@example.com, due at NOON. Needs an application context."""
    return make_notification(make_user(f"user{number}@example.com"), key=f"test:{number}", now=NOON, **values)
