"""Only a session that has one engine for the host's users and our tables is accepted; others are refused by name."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from notifier import resources
from notifier.database import sqlite
from notifier.database.schema import Schema
from notifier.embedding import Base, Notifier, SetupError, UserFields
from notifier.models import User as Mirrored
from tests.embedding.conftest import Host

ROOT = Path(__file__).parent.parent.parent


class PlainBase(DeclarativeBase):
    """A host without Flask-SQLAlchemy."""


class Person(PlainBase):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


class Pair(PlainBase):
    __tablename__ = "pairs"
    one: Mapped[int] = mapped_column(primary_key=True)
    two: Mapped[int] = mapped_column(primary_key=True)


def plain() -> Notifier:
    notifier = Notifier()
    notifier.user(Person)(lambda person: UserFields(id=person.id, email=person.email))
    return notifier


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine)
    PlainBase.metadata.create_all(engine)
    yield engine
    PlainBase.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def other() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def stores(sessions: Any, engine: Engine) -> bool:
    """Whether a person whom such a session commits is mirrored."""
    session = sessions()
    session.add(Person(email="ada@example.com"))
    session.commit()
    session.close()
    with Session(engine) as seeing:
        return list(seeing.scalars(select(Mirrored.email))) == ["ada@example.com"]


def test_a_sessionmaker(engine: Engine) -> None:
    maker = sessionmaker(engine)
    plain().watch(maker)
    assert stores(maker, engine)


def test_a_scoped_session_that_is_in_use_already(engine: Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    scoped()
    plain().watch(scoped)
    assert stores(scoped, engine)


def test_a_sessionmaker_with_both_bases_bound(engine: Engine) -> None:
    maker = sessionmaker(binds={PlainBase: engine, Base: engine})
    plain().watch(maker)
    assert stores(maker, engine)


def test_watching_twice_mirrors_once(engine: Engine) -> None:
    maker, notifier = sessionmaker(engine), plain()
    notifier.watch(maker)
    notifier.watch(maker)
    assert stores(maker, engine)


def test_sessions_of_another_sessionmaker_are_left_alone(engine: Engine) -> None:
    plain().watch(sessionmaker(engine))
    assert not stores(sessionmaker(engine), engine)


def test_a_sessionmaker_whose_binds_lack_our_base_is_refused(engine: Engine) -> None:
    with pytest.raises(SetupError, match=r"no engine for notifier\.embedding\.Base"):
        plain().watch(sessionmaker(binds={PlainBase: engine}))


def test_a_sessionmaker_without_an_engine_is_refused() -> None:
    with pytest.raises(SetupError, match="no engine for Person"):
        plain().watch(sessionmaker())


def test_two_engines_are_refused(engine: Engine, other: Engine) -> None:
    with pytest.raises(SetupError, match=r"Person is on .* but the tables of notifier are on another engine"):
        plain().watch(sessionmaker(binds={PlainBase: engine, Base: other}))


def test_a_password_is_in_no_refusal(engine: Engine) -> None:
    theirs = create_engine("postgresql+psycopg://host:secret-word@db.example/shop")
    with pytest.raises(SetupError) as refused:
        plain().watch(sessionmaker(binds={PlainBase: theirs, Base: engine}))
    assert "secret-word" not in str(refused.value)
    assert "db.example" in str(refused.value)


def flask_host(app: Flask, **options: Any) -> tuple[SQLAlchemy, Notifier]:
    class HostBase(DeclarativeBase):
        pass

    db, notifier = SQLAlchemy(model_class=HostBase), Notifier()

    class User(db.Model):  # type: ignore[name-defined,misc]
        __tablename__ = "users"
        __bind_key__ = options.get("bind_key")
        id: Mapped[int] = mapped_column(primary_key=True)

    notifier.user(User)(lambda user: UserFields(id=user.id, email=None))
    app.config.update(options["config"])
    db.init_app(app)
    return db, notifier


def test_users_on_a_bind_are_refused(database_url: str) -> None:
    app = Flask("host")
    config = {"SQLALCHEMY_DATABASE_URI": database_url, "SQLALCHEMY_BINDS": {"people": "sqlite://"}}
    db, notifier = flask_host(app, bind_key="people", config=config)
    with pytest.raises(SetupError, match=r"User is on sqlite.* on another engine"):
        notifier.init_app(app, session=db.session)


def test_an_application_without_a_default_engine_is_refused(database_url: str) -> None:
    app = Flask("host")
    db, notifier = flask_host(app, bind_key="people", config={"SQLALCHEMY_BINDS": {"people": database_url}})
    with pytest.raises(SetupError, match=r"no engine for notifier\.embedding\.Base"):
        notifier.init_app(app, session=db.session)


def test_a_session_is_not_what_is_taken(engine: Engine) -> None:
    with Session(engine) as session, pytest.raises(SetupError, match="not Session"):
        plain().watch(session)  # type: ignore[arg-type]


def test_users_must_be_registered_first(engine: Engine) -> None:
    with pytest.raises(SetupError, match=r"@notifier\.user"):
        Notifier().watch(sessionmaker(engine))


def test_an_attribute_that_does_not_exist_is_refused(engine: Engine) -> None:
    notifier = Notifier()
    notifier.user(Person, watch=("emial",))(lambda person: UserFields(id=person.id, email=person.email))
    with pytest.raises(SetupError, match="Person has no mapped attribute 'emial'"):
        notifier.watch(sessionmaker(engine))


def test_a_key_of_two_columns_needs_a_name() -> None:
    with pytest.raises(SetupError, match="key="):
        Notifier().user(Pair)(lambda pair: UserFields(id=pair.one, email=None))


def test_an_id_that_is_not_the_key_is_refused(engine: Engine) -> None:
    notifier, maker = Notifier(), sessionmaker(engine)
    notifier.user(Person)(lambda person: UserFields(id=f"p{person.id}", email=person.email))
    notifier.watch(maker)
    with maker() as session:
        session.add(Person(email="ada@example.com"))
        with pytest.raises(SetupError, match="key="):
            session.commit()


def test_tables_in_memory_for_tests_of_a_host(tmp_path: Path) -> None:
    host = Host("sqlite://", tmp_path)
    host.start()
    host.notifier.create_all(host.engine)
    host.notifier.create_all(host.engine)
    with host.app.app_context():
        host.add()
        assert [row.email for row in host.mirrored().values()] == ["ada@example.com"]
        with host.engine.connect() as connection:
            state = Schema(resources.migrations()).state(connection)
    assert not state.behind, state.detail
    host.close()


def test_importing_it_loads_neither_flask_nor_celery() -> None:
    code = "import json, sys, notifier.embedding; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "sqlalchemy" in loaded
    unwanted = ("flask", "werkzeug", "wtforms", "celery", "kombu", "limits", "redis")
    assert [name for name in loaded if name.startswith(unwanted)] == []


def test_missing_tables_are_named_with_what_to_do(tmp_path: Path) -> None:
    host = Host("sqlite://", tmp_path)
    host.start()
    with host.app.app_context(), pytest.raises(SetupError, match="the tables of notifier are missing"):
        host.add()
    host.close()
