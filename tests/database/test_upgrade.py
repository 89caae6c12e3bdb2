"""`db upgrade` on a Postgres at work: it gives way to who uses a table, tries again, and says who is in its way."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from flask import Flask

from notifier import migrating
from notifier.cli import upgrading
from notifier.cli.main import build
from notifier.database.schema import UPGRADE_LOCK
from notifier.extensions import db
from notifier.testing.servers.postgres import PostgresServer
from tests.support.migrations import NEXT, look_ahead

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def behind(
    request: pytest.FixtureRequest, make_app: Callable[..., Flask], tmp_path: Path
) -> Iterator[tuple[Flask, str]]:
    """An application whose next migration changes the ledger, and the address of its database."""
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"upgrade_{uuid4().hex[:8]}"
    app = make_app(database_url=server.create_database(name), migration_lock_timeout=0.2, migration_lock_tries=4)
    with app.app_context():
        migrating.upgrade()
        db.session.remove()
    look_ahead(app, tmp_path / "migrations")
    yield app, server.dsn(name)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    server.drop_database(name)


def upgrade(app: Flask) -> Result:
    return CliRunner().invoke(build(lambda: app), ["db", "upgrade"])


def version(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT version_num FROM notifier_version").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; they take no time."""
    made: list[float] = []
    monkeypatch.setattr(upgrading.time, "sleep", made.append)
    return made


def test_a_long_reader_delays_the_upgrade_and_nobody_else(
    behind: tuple[Flask, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, dsn = behind
    reading, done = threading.Event(), threading.Event()
    waits: list[float] = []
    monkeypatch.setattr(upgrading, "FIRST_PAUSE", 0.1)

    def read() -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("SELECT count(*) FROM notifier_notifications")
            reading.set()
            done.wait(20)

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not done.is_set():
                begun = time.monotonic()
                connection.execute("SELECT count(*) FROM notifier_notifications")
                waits.append(time.monotonic() - begun)
                if len(waits) > 5 and time.monotonic() - started > 0.5:
                    done.set()
                time.sleep(0.01)

    threads = [threading.Thread(target=read), threading.Thread(target=work)]
    threads[0].start()
    assert reading.wait(10)
    started = time.monotonic()
    threads[1].start()
    result = upgrade(app)
    for thread in threads:
        thread.join()
    assert result.exit_code == 0, result.output
    assert "A table is in use" in result.output
    assert "idle in transaction" in result.output
    assert version(dsn) == NEXT
    assert max(waits) < 1.5


def test_it_gives_up_with_one_message_and_has_changed_nothing(behind: tuple[Flask, str], pauses: list[float]) -> None:
    app, dsn = behind
    with psycopg.connect(dsn, application_name="a report") as reader:
        reader.execute("SELECT count(*) FROM notifier_notifications")
        result = upgrade(app)
    assert result.exit_code == 1
    assert "not upgraded after 4 tries" in result.output
    assert "a report" in result.output
    assert "Traceback" not in result.output
    assert pauses == [1.0, 2.0, 4.0]
    assert version(dsn) != NEXT
    assert upgrade(app).exit_code == 0


def test_of_two_upgrades_the_second_waits(behind: tuple[Flask, str], monkeypatch: pytest.MonkeyPatch) -> None:
    app, dsn = behind
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [UPGRADE_LOCK])
        monkeypatch.setattr(upgrading.time, "sleep", lambda seconds: other.commit())
        result = upgrade(app)
    assert result.exit_code == 0, result.output
    assert "Trying again" in result.output
    assert version(dsn) == NEXT
