"""A database from before the tables had their prefix stops every start with one line, and is left as it was."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import create_engine, make_url, text

from notifier.cli.main import build
from notifier.config.settings import ConfigError
from notifier.database import older_layout
from notifier.extensions import db
from notifier.models import User
from notifier.testing.servers.postgres import PostgresServer
from tests.support import older
from tests.support.applications import make_settings

ROOT = Path(__file__).parent.parent.parent
PYTHON = sys.executable

COMMANDS = {
    "up": [
        PYTHON,
        "-m",
        "notifier",
        "up",
        "--web-port",
        "0",
        "--inbox-port",
        "0",
        "--smtp-port",
        "0",
        "--bounce-port",
        "0",
    ],
    "upgrade": [PYTHON, "-m", "notifier", "db", "upgrade"],
    "web": [PYTHON, "-m", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0"],
    "worker": [PYTHON, "-m", "celery", "-A", "wsgi:celery_app", "worker"],
    "beat": [PYTHON, "-m", "celery", "-A", "wsgi:celery_app", "beat", "--pidfile="],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of that layout."""
    older.make_sqlite(tmp_path / "data" / "notifier.db")
    return tmp_path / "data"


@pytest.fixture
def old_postgres(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """The URL of a Postgres database of that layout, and its address for psycopg."""
    name = f"older_{uuid4().hex[:8]}"
    url = postgres.create_database(name)
    older.fill_postgres(postgres.dsn(name))
    yield url, postgres.dsn(name)
    postgres.drop_database(name)


def line_of(**values: object) -> str:
    """What a start with these settings says. Empty: it may start."""
    try:
        older_layout.refuse(make_settings(**values))
    except ConfigError as error:
        return str(error)
    return ""


def start(command: str, **env: str) -> tuple[int, list[str]]:
    """Run it in a process of its own. Return its exit code and all lines that it prints."""
    done = subprocess.run(
        COMMANDS[command], cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=50, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_process_ends_with_one_line_that_names_the_file_and_a_way_out(folder: Path, command: str) -> None:
    path = folder / "notifier.db"
    folder.chmod(0o755)
    before = path.read_bytes()
    code, lines = start(command, NOTIFIER_DATA_DIR=str(folder))
    assert code != 0
    assert len(lines) == 1, lines
    assert str(path) in lines[0]
    assert f"Move the folder {folder} away and keep it as a copy, or set NOTIFIER_DATA_DIR" in lines[0]
    assert path.read_bytes() == before
    # SQLite itself leaves these two beside a file in WAL mode, also if it is only read.
    found = {each.name for each in folder.iterdir()} - {"notifier.db-wal", "notifier.db-shm"}
    assert (found, folder.stat().st_mode & 0o777) == ({"notifier.db"}, 0o755)


def test_the_rows_are_still_there(folder: Path) -> None:
    start("upgrade", NOTIFIER_DATA_DIR=str(folder))
    with sqlite3.connect(folder / "notifier.db") as connection:
        assert connection.execute("SELECT count(*) FROM notifications").fetchone() == (12,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0015",)]
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert not [name for name in names if name.startswith("notifier_")]


def test_what_a_crash_left_beside_the_file_stays_there(folder: Path, tmp_path: Path) -> None:
    """To open the file for writing would move it into the file."""
    killed = tmp_path / "killed"
    killed.mkdir()
    with sqlite3.connect(folder / "notifier.db") as connection:
        connection.execute("UPDATE users SET locale = 'fr'")
        connection.commit()
        for name in ("notifier.db", "notifier.db-wal"):
            shutil.copy(folder / name, killed / name)
    connection.close()
    before = [path.read_bytes() for path in sorted(killed.glob("*.db*"))]
    assert line_of(notifier_data_dir=killed)
    assert [(killed / name).read_bytes() for name in ("notifier.db", "notifier.db-wal")] == before


@pytest.mark.parametrize("command", ["upgrade", "web"])
def test_postgres_is_named_without_its_password(old_postgres: tuple[str, str], tmp_path: Path, command: str) -> None:
    url, dsn = old_postgres
    before = older.rows_of(dsn)
    assert len(before["notifications"]) == 12
    secret = make_url(url).set(password="hunter2secret", query={"application_name": "x"})
    code, lines = start(
        command, NOTIFIER_DATA_DIR=str(tmp_path), DATABASE_URL=secret.render_as_string(hide_password=False)
    )
    assert code != 0
    assert len(lines) == 1, lines
    assert f"DATABASE_URL: postgresql://postgres@127.0.0.1:{secret.port}/{secret.database} was made by" in lines[0]
    assert "pg_dump" in lines[0]
    assert "hunter2secret" not in lines[0]
    assert older.rows_of(dsn) == before


@pytest.mark.skipif(sqlalchemy.__version__ < "2.1", reason="SQLAlchemy 2.0 takes the name of a file as it is written")
def test_a_file_outside_of_the_data_folder(tmp_path: Path) -> None:
    path = tmp_path / "else where" / "100%?.db"
    before = older.make_sqlite(path)
    url = f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"
    line = line_of(notifier_data_dir=tmp_path, database_url=url)
    assert f"DATABASE_URL: {path} was made by" in line
    assert "or set DATABASE_URL to another file" in line
    assert path.read_bytes() == before


def test_an_older_data_folder_also_with_another_database(folder: Path, database_url: str) -> None:
    """Its journals and queues name rows of the older database."""
    assert f"Move the folder {folder} away" in line_of(notifier_data_dir=folder, database_url=database_url)


def test_the_commands_of_operators(folder: Path, make_app: Callable[..., Flask]) -> None:
    command = build(lambda: make_app(database_url=f"sqlite:///{folder / 'notifier.db'}", notifier_data_dir=folder))
    for words in (["health"], ["outbox", "sweep"], ["seed", "--users", "1"], ["operator", "list"]):
        result = CliRunner().invoke(command, words)
        assert (result.exit_code, len(result.output.splitlines())) == (1, 1), result.output
        assert str(folder / "notifier.db") in result.output


@pytest.mark.parametrize("revision", ["0001", "0007", "0015"])
def test_every_version_of_that_layout_is_known(folder: Path, revision: str) -> None:
    with sqlite3.connect(folder / "notifier.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    assert line_of(notifier_data_dir=folder)


HOST = {
    "its own users and version": [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('0015')",
        "CREATE TABLE users (id INTEGER, identity_key VARCHAR(9), link_nonce VARCHAR(9), verified_at VARCHAR(9))",
    ],
    "users and notifications of its own": [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('0001')",
        "CREATE TABLE users (id INTEGER, email VARCHAR(9))",
        "CREATE TABLE notifications (id INTEGER, user_id INTEGER, dedupe_key VARCHAR(9))",
    ],
    "no version": ["CREATE TABLE users (id INTEGER)", "CREATE TABLE notifications (id INTEGER)"],
}


@pytest.fixture
def host_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """A database without our tables, of the kind of the test."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'host.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"host_{uuid4().hex[:8]}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.mark.parametrize("tables", list(HOST.values()), ids=list(HOST))
def test_the_tables_of_a_host_are_not_taken_for_ours(
    host_url: str, tables: list[str], make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    engine = create_engine(host_url)
    with engine.begin() as connection:
        for statement in tables:
            connection.execute(text(statement))
    engine.dispose()
    assert line_of(notifier_data_dir=tmp_path, database_url=host_url) == ""
    app = make_app(database_url=host_url, notifier_data_dir=tmp_path)
    result = CliRunner().invoke(build(lambda: app), ["db", "upgrade"])
    assert result.exit_code == 0, result.output
    with app.app_context():
        assert db.session.query(User).count() == 0


def test_a_database_of_today_starts(database_url: str, tmp_path: Path) -> None:
    assert line_of(notifier_data_dir=tmp_path, database_url=database_url) == ""


def test_to_look_makes_no_file(tmp_path: Path) -> None:
    assert line_of(notifier_data_dir=tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_answer_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "notifier.db").write_bytes(b"SQLite format 3\0 and then nothing")
    assert line_of(notifier_data_dir=tmp_path) == ""
    away = "postgresql://notifier@127.0.0.1:1/notifier"
    assert line_of(notifier_data_dir=tmp_path / "none", database_url=away) == ""
