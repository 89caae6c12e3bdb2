"""An SQLite database that an application shares with us: its transactions read without a lock, and wait to write."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, StaticPool, create_engine, text
from sqlalchemy.orm import Session

from notifier.database import sqlite_shared

READ = text("SELECT count(*) FROM t")
WRITE = text("INSERT INTO t DEFAULT VALUES")

Open = Callable[[], Engine]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path}/shared.db")
    sqlite_shared.prepare(made)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(READ).scalar_one())


def test_a_write_after_a_read_waits_for_another_writer_instead_of_failing(engine: Engine) -> None:
    with Session(engine) as ours, Session(engine) as theirs:
        ours.execute(WRITE)
        assert theirs.scalar(READ) == 0
        ours.commit()
        theirs.execute(WRITE)
        assert theirs.scalar(READ) == 2
        theirs.commit()
    assert count(engine) == 2


def test_it_waits_as_long_as_the_other_one_writes(engine: Engine) -> None:
    began, done = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with Session(engine) as other:
            other.execute(WRITE)
            began.set()
            done.wait(10)
            other.commit()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    began.wait(10)
    with Session(engine) as session:
        assert session.scalar(READ) == 0
        threading.Timer(0.1, done.set).start()
        session.execute(WRITE)
        session.commit()
    thread.join()
    assert count(engine) == 2


def test_an_open_transaction_that_has_only_read_keeps_no_one_waiting(engine: Engine) -> None:
    with Session(engine) as test, Session(engine) as request:
        assert test.scalar(READ) == 0
        request.execute(WRITE)
        request.commit()
        assert test.scalar(READ) == 0
    assert count(engine) == 1


@pytest.mark.parametrize(
    "statement",
    ["WITH x AS (SELECT 1) INSERT INTO t SELECT max(id) + 1 FROM t", "SAVEPOINT a", "REPLACE INTO t VALUES (7)"],
)
def test_whatever_may_write_takes_the_lock(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(WRITE)
    with engine.connect() as reader, engine.connect() as writer:
        reader.execute(READ)
        writer.execute(WRITE)
        writer.commit()
        reader.execute(text(statement))
        reader.execute(WRITE)
        reader.commit()


def test_a_rollback_undoes_what_was_written(engine: Engine) -> None:
    with Session(engine) as session:
        session.scalar(READ)
        session.execute(WRITE)
        session.rollback()
    assert count(engine) == 0


def test_our_own_transactions_take_the_lock_at_once_or_cannot_write(engine: Engine) -> None:
    answers: list[bool | None] = [True]
    sqlite_shared.tell_ours(engine, lambda: answers[-1])
    with engine.connect() as reading, pytest.raises(Exception, match="readonly database"):
        reading.execute(WRITE)
    answers.append(False)
    with engine.connect() as writing:
        writing.execute(READ)
        raw = writing.connection.driver_connection
        assert raw is not None
        assert raw.in_transaction
        impatient = create_engine(engine.url, connect_args={"timeout": 0})
        with impatient.connect() as other, pytest.raises(Exception, match="locked"):
            other.exec_driver_sql("BEGIN IMMEDIATE")
    answers.append(None)
    with engine.begin() as theirs:
        theirs.execute(WRITE)
    assert count(engine) == 1


def test_sessions_in_memory_share_one_transaction() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    sqlite_shared.prepare(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    with Session(engine) as test, Session(engine) as request:
        test.execute(WRITE)
        request.execute(WRITE)
        request.commit()
        assert test.scalar(READ) == 2
