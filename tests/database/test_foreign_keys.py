"""Foreign keys of SQLite are off while migrations alter tables, and on again afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine

from notifier.database import sqlite


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with foreign keys, and with a BEGIN before the first statement."""
    engine = create_engine(f"sqlite:///{tmp_path / 'strict.db'}")
    sqlite.prepare(engine)
    yield engine
    engine.dispose()


def enforced(connection: Connection) -> bool:
    return connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def break_a_reference(engine: Engine) -> None:
    with engine.connect() as connection, sqlite.foreign_keys_off(connection):
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES a (id))")
        connection.exec_driver_sql("INSERT INTO a VALUES (1, 2)")
        connection.commit()


def test_they_are_on_again_after_a_transaction_that_nothing_ended(engine: Engine) -> None:
    with engine.connect() as connection, sqlite.foreign_keys_off(connection):
        assert not enforced(connection)
    with engine.connect() as connection:
        assert enforced(connection)


def test_rows_without_their_reference_are_named(engine: Engine) -> None:
    with pytest.raises(SystemExit, match="1 rows point at nothing after the migration"):
        break_a_reference(engine)
    with engine.connect() as connection:
        assert enforced(connection)


def test_they_cannot_be_switched_off_inside_a_transaction(engine: Engine) -> None:
    with (
        engine.begin() as connection,
        pytest.raises(RuntimeError, match="call foreign_keys_off before it begins"),
        sqlite.foreign_keys_off(connection),
    ):
        pytest.fail("SQLite ignores it here")


def test_a_connection_without_them_is_left_as_it_is(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'loose.db'}")
    break_a_reference(engine)
    with engine.connect() as connection, sqlite.foreign_keys_off(connection):
        assert not enforced(connection)
    with engine.connect() as connection:
        assert not enforced(connection)
    engine.dispose()
