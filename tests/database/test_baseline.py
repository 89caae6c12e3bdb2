"""The baseline: what the migrations make is what the models say, to the last index, default and trigger."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import create_engine, inspect, text

from notifier import migrating
from notifier.database.base import VERSION_TABLE
from notifier.extensions import db
from notifier.testing.servers.postgres import PostgresServer
from tests.support.tables import schema

PREFIX = "notifier_"


@pytest.fixture
def new_database(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes empty databases of the kind of the test, and gives their addresses."""
    if database_url.startswith("sqlite"):
        yield lambda: f"sqlite:///{tmp_path / uuid4().hex}.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    names: list[str] = []

    def make() -> str:
        names.append(f"baseline_{uuid4().hex[:8]}")
        return server.create_database(names[-1])

    yield make
    for name in names:
        server.drop_database(name)


@pytest.fixture
def empty_app(new_database: Callable[[], str], make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """An application on an empty database, with its context."""
    app = make_app(database_url=new_database())
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_the_migrations_make_what_the_models_say(empty_app: Flask, new_database: Callable[[], str]) -> None:
    migrating.upgrade()
    engine = create_engine(new_database())
    db.metadata.create_all(engine)
    by_models, by_migrations = schema(engine), schema(db.engine)
    engine.dispose()
    assert len(by_models) > 50
    assert by_migrations == by_models


def test_everything_in_the_database_has_our_prefix(empty_app: Flask) -> None:
    """A host application keeps its tables in the same database, and has users of its own."""
    migrating.upgrade()
    names = {name for kind, _, name, _ in schema(db.engine) if kind != "column"}
    assert {name for name in names if PREFIX not in name} == set()
    assert VERSION_TABLE in inspect(db.engine).get_table_names()
    assert "alembic_version" not in inspect(db.engine).get_table_names()


def test_it_can_be_taken_back_and_made_again(empty_app: Flask) -> None:
    migrating.upgrade()
    before = schema(db.engine)
    migrating.downgrade("base")
    assert schema(db.engine) == set()
    migrating.upgrade()
    assert schema(db.engine) == before


def test_it_leaves_a_hosts_tables_and_their_version_alone(empty_app: Flask) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0015')"))
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20))"))
        connection.execute(text("INSERT INTO users VALUES (1, 'Ada')"))
    migrating.upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("0015",)]
        assert connection.execute(text("SELECT id, name FROM users")).all() == [(1, "Ada")]
