"""Rows are enqueued after the outermost commit, and nothing of ours makes that commit raise."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog.testing
from flask import Flask, current_app
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from notifier.database import sqlite
from notifier.embedding import NoSession, Notifier, UserFields
from notifier.entries.commits import Commits
from notifier.models import Notification
from tests.embedding.conftest import Host


class PlainBase(DeclarativeBase):
    """A host without Flask-SQLAlchemy."""


class Person(PlainBase):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine)
    PlainBase.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Person(email="old@example.com"))
        session.commit()
    yield engine
    PlainBase.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def published() -> list[int]:
    return []


def watched(engine: Engine, publish: Any) -> "tuple[Notifier, sessionmaker[Session]]":
    notifier, maker = Notifier(publish=publish), sessionmaker(engine)
    notifier.user(Person)(lambda person: UserFields(id=person.id, email=person.email))
    notifier.watch(maker)
    return notifier, maker


@pytest.fixture
def host(engine: Engine, published: list[int]) -> "tuple[Notifier, sessionmaker[Session]]":
    return watched(engine, lambda keys, bulk: published.extend(keys))


def stored(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.scalars(select(Notification.id).order_by(Notification.id)))


Plain = tuple[Notifier, "sessionmaker[Session]"]


def add(session: Session) -> Person:
    person = Person(email="ada@example.com")
    session.add(person)
    session.flush()
    return person


def test_a_released_savepoint_waits_for_the_outermost_commit(host: Plain, engine: Engine, published: list[int]) -> None:
    notifier, maker = host
    with maker() as session:
        person = add(session)
        with session.begin_nested():
            notifier.send("verification", person)
            with session.begin_nested():
                notifier.send("verification", person)
        assert published == []
        session.commit()
    assert published == stored(engine)
    assert len(published) == 2


def test_a_savepoint_that_is_rolled_back_drops_its_rows(host: Plain, engine: Engine, published: list[int]) -> None:
    notifier, maker = host
    with maker() as session:
        person = add(session)
        kept = notifier.send("verification", person).id
        savepoint = session.begin_nested()
        notifier.send("verification", person)
        with session.begin_nested():
            notifier.send("verification", person)
        savepoint.rollback()
        session.commit()
    assert published == stored(engine) == [kept]


def test_a_row_after_a_rolled_back_savepoint_counts(host: Plain, engine: Engine, published: list[int]) -> None:
    notifier, maker = host
    with maker() as session:
        person = add(session)
        savepoint = session.begin_nested()
        notifier.send("verification", person, key="same")
        savepoint.rollback()
        notifier.send("verification", person, key="same")
        session.commit()
    assert published == stored(engine)
    assert len(published) == 1


def test_a_hook_in_a_savepoint_is_dropped_with_it(host: Plain, engine: Engine, published: list[int]) -> None:
    notifier, maker = host
    notifier.on(Person, "insert")(lambda person: notifier.send("verification", person))
    with maker() as session:
        savepoint = session.begin_nested()
        add(session)
        savepoint.rollback()
        session.commit()
        assert published == []
        with session.begin_nested():
            add(session)
        session.commit()
    assert published == stored(engine)
    assert len(published) == 1


def test_the_recipe_for_tests_with_a_savepoint_for_each_commit(
    host: Plain, engine: Engine, published: list[int]
) -> None:
    """From SQLAlchemy's documentation: the session's commits release savepoints, and the test rolls all back."""
    notifier, maker = host
    with engine.connect() as connection:
        transaction = connection.begin()
        with maker(bind=connection, join_transaction_mode="create_savepoint") as session:
            row = notifier.send("verification", add(session))
            session.commit()
            assert published == [row.id]
            notifier.send("verification", add(session))
            session.rollback()
        transaction.rollback()
    assert len(published) == 1
    assert stored(engine) == []


def test_a_closed_session_enqueues_nothing_and_works_again(host: Plain, engine: Engine, published: list[int]) -> None:
    notifier, maker = host
    session = maker()
    notifier.send("verification", add(session))
    session.close()
    assert published == []
    notifier.send("verification", add(session))
    session.commit()
    session.close()
    assert published == stored(engine)


def test_a_sessionmaker_needs_a_session_for_an_id(host: Plain, engine: Engine) -> None:
    notifier, maker = host
    with maker() as session:
        key = add(session).id
        with pytest.raises(NoSession, match="session="):
            notifier.send("verification", key)
        notifier.send("verification", key, session=session)
        session.commit()
    assert len(stored(engine)) == 1


def test_a_session_that_is_not_watched_is_refused(host: Plain, engine: Engine) -> None:
    notifier, _ = host
    with Session(engine) as session, pytest.raises(NoSession, match="watch"):
        notifier.send("verification", add(session))


class Odd(Exception):
    """An error of no library."""


@pytest.mark.parametrize("error", [RuntimeError, KeyError, ConnectionError, Odd, AssertionError])
def test_an_error_of_the_publisher_is_logged_and_not_raised(engine: Engine, error: type[Exception]) -> None:
    def publish(_keys: Any, _bulk: bool) -> None:
        raise error("broken")

    notifier, maker = watched(engine, publish)
    with maker() as session, structlog.testing.capture_logs() as logs:
        notifier.send("verification", add(session))
        session.commit()
    assert len(stored(engine)) == 1
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_an_error_in_the_outbox_itself_is_logged_and_not_raised(host: Plain, engine: Engine) -> None:
    notifier, maker = host

    class Broken:
        def publish(self, _keys: Any) -> None:
            raise RuntimeError("broken")

    commits = Commits(Broken())  # type: ignore[arg-type]
    commits.listen(maker)
    with maker() as session, structlog.testing.capture_logs() as logs:
        commits.collect(session, notifier.send("verification", add(session)).id)
        session.commit()
    assert len(stored(engine)) == 1
    assert [entry["event"] for entry in logs] == ["embedding.not_enqueued"]


@pytest.mark.parametrize("where", ["nowhere", "host", "ours"])
def test_a_commit_in_any_context(
    make_host: Callable[..., Host], make_app: Callable[..., Flask], published: list[int], where: str
) -> None:
    host = make_host(publish=lambda keys, bulk: published.extend(keys))
    host.start()
    ours = make_app(publish=lambda keys, bulk: None)
    with host.app.app_context():
        session = host.db.session.session_factory()
        user = host.User(email="ada@example.com")
        session.add(user)
        row = host.notifier.send("verification", user).id
    with ExitStack() as contexts:
        if where != "nowhere":
            contexts.enter_context((host.app if where == "host" else ours).app_context())
            assert current_app.name == ("host" if where == "host" else "notifier")
        session.commit()
    session.close()
    assert published == [row]
    assert host.stored(select(Notification.id)) == [row]


def test_without_a_publisher_the_next_sweep_has_the_row(engine: Engine) -> None:
    notifier, maker = watched(engine, None)
    with maker() as session, structlog.testing.capture_logs() as logs:
        row = notifier.send("verification", add(session))
        session.commit()
        assert row.enqueue_at == row.created_at
    assert logs == []
