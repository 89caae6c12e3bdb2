"""The baseline: what the migrations make is what the models say, to the last index, default and trigger."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, text

from notifier.database.base import VERSION_TABLE
from notifier.extensions import db
from notifier.testing.servers.postgres import PostgresServer

PREFIX = "notifier_"

_SQLITE = "SELECT type, tbl_name, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"

#: Every line is (kind, table, name, definition).
_POSTGRES = (
    """SELECT 'column', c.table_name, column_name,
           concat_ws(' ', udt_name, character_maximum_length, is_nullable, column_default)
       FROM information_schema.columns AS c WHERE table_schema = 'public'""",
    "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    """SELECT 'function', '', proname, pg_get_functiondef(oid)
       FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
)


def schema(engine: Engine) -> set[tuple[str, str, str, str]]:
    """Everything that the database knows of its tables, but for Alembic's own."""
    queries = (_SQLITE,) if engine.dialect.name == "sqlite" else _POSTGRES
    with engine.connect() as connection:
        rows = [tuple(row) for query in queries for row in connection.exec_driver_sql(query)]
    return {(kind, table, name, _plain(sql)) for kind, table, name, sql in rows if table != VERSION_TABLE}


def _plain(sql: str) -> str:
    """Without white space and quotes, and with the lines of a table in an order of their own."""
    return " | ".join(sorted(re.sub(r"\s+|\"", " ", line).strip(" ,") for line in sql.splitlines()))


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
    flask_migrate.upgrade()
    engine = create_engine(new_database())
    db.metadata.create_all(engine)
    by_models, by_migrations = schema(engine), schema(db.engine)
    engine.dispose()
    assert len(by_models) > 50
    assert by_migrations == by_models


def test_everything_in_the_database_has_our_prefix(empty_app: Flask) -> None:
    """A host application keeps its tables in the same database, and has users of its own."""
    flask_migrate.upgrade()
    names = {name for kind, _, name, _ in schema(db.engine) if kind != "column"}
    assert {name for name in names if PREFIX not in name} == set()
    assert VERSION_TABLE in inspect(db.engine).get_table_names()
    assert "alembic_version" not in inspect(db.engine).get_table_names()


def test_it_can_be_taken_back_and_made_again(empty_app: Flask) -> None:
    flask_migrate.upgrade()
    before = schema(db.engine)
    flask_migrate.downgrade(revision="base")
    assert schema(db.engine) == set()
    flask_migrate.upgrade()
    assert schema(db.engine) == before


def test_it_leaves_a_hosts_tables_and_their_version_alone(empty_app: Flask) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0015')"))
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20))"))
        connection.execute(text("INSERT INTO users VALUES (1, 'Ada')"))
    flask_migrate.upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("0015",)]
        assert connection.execute(text("SELECT id, name FROM users")).all() == [(1, "Ada")]
