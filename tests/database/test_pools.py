"""The pool of database connections: a Postgres that ended them costs nothing but new ones; a fork shares none."""

import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from notifier.database import pools
from notifier.extensions import db
from notifier.testing.servers.postgres import PostgresServer

END_THE_OTHERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def pooled(request: pytest.FixtureRequest, make_app: Callable[..., Flask]) -> Iterator[tuple[Flask, str]]:
    """An application on a database of its own, and the address of that for psycopg."""
    name = f"pool_{uuid4().hex[:8]}"
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(name)
    app = make_app(database_url=url)
    with app.app_context():
        yield app, server.dsn(name)
        db.session.remove()
        db.engine.dispose()


def _select() -> int | None:
    found: int | None = db.session.scalar(text("SELECT pg_backend_pid()"))
    db.session.rollback()
    return found


def _end_all(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(END_THE_OTHERS.encode()).fetchone()
    assert row is not None
    ended: int = row[0]
    return ended


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_connections_that_were_ended_are_replaced(pooled: tuple[Flask, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, dsn = pooled
    monkeypatch.setattr(pools, "PING_AFTER_IDLE_SECONDS", 0.0)  # as if they had lain unused
    with db.engine.connect(), db.engine.connect():
        pass  # two of them lie in the pool
    assert _end_all(dsn) == 2
    assert _select() is not None
    with db.engine.connect() as one, db.engine.connect() as another:
        assert one.scalar(text("SELECT 1")) == another.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_one_that_was_just_used_is_not_asked(pooled: tuple[Flask, str]) -> None:
    """Its end shows in the statement itself: the price of a round trip less, for half a second."""
    _, dsn = pooled
    assert _select() is not None
    assert _end_all(dsn) == 1
    with pytest.raises(OperationalError):
        _select()
    db.session.rollback()
    assert _select() is not None


def test_a_forked_child_makes_connections_of_its_own(context: Flask) -> None:
    """Those that lay in the pool are the parent's: on a shared one, one process would read the other's answers."""
    with db.engine.connect() as connection:
        before = connection.connection.dbapi_connection
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            with db.engine.connect() as own:
                told = f"{own.scalar(text('SELECT 1'))} {own.connection.dbapi_connection is before}"
            os.write(writer, told.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"1 False"
    with db.engine.connect() as connection:
        assert connection.connection.dbapi_connection is before, "the parent keeps it"
        assert connection.scalar(text("SELECT 2")) == 2
    os.close(reader)
    os.close(writer)
