"""Find the sessionmaker of the host, and refuse one that would split a transaction in two."""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from notifier.embedding.errors import SetupError
from notifier.models import User

#: A `scoped_session`, such as `db.session` of Flask-SQLAlchemy, or a `sessionmaker`.
Sessions = scoped_session[Any] | sessionmaker[Any]

_DIALECTS = ("postgresql", "sqlite")


def maker_of(sessions: Sessions) -> "sessionmaker[Session]":
    """Return the sessionmaker. Raise SetupError for anything else."""
    factory = sessions.session_factory if isinstance(sessions, scoped_session) else sessions
    if not isinstance(factory, sessionmaker):
        raise SetupError(f"session= takes a scoped_session or a sessionmaker, not {type(sessions).__name__}")
    return factory


def check_engine(maker: "sessionmaker[Session]", model: type[Any]) -> None:
    """Raise SetupError, by name, unless the host's users and our tables are on one engine.

    With two engines the session would commit two transactions, one after the other, and half could be lost.
    """
    with maker() as session:
        theirs, ours = _engine(session, model), _engine(session, User)
    if theirs is not ours:
        raise SetupError(
            f"{model.__name__} is on {theirs.url.render_as_string()}, but the tables of notifier are on another "
            f"engine, {ours.url.render_as_string()}: one transaction needs one engine. Bind notifier.embedding.Base to "
            f"the engine of {model.__name__}."
        )
    if ours.dialect.name not in _DIALECTS:
        raise SetupError(f"notifier works on Postgres and SQLite, not on {ours.dialect.name}")


def engine_of(sessions: Sessions) -> Engine:
    """Return the engine of our tables, which is that of the host's users: see `check_engine`."""
    with maker_of(sessions)() as session:
        return _engine(session, User)


def _engine(session: Session, model: type[Any]) -> Engine:
    try:
        return session.get_bind(mapper=model).engine
    except UnboundExecutionError as error:
        name = "notifier.embedding.Base" if model is User else model.__name__
        raise SetupError(
            f"the session has no engine for {name}: give it a default engine, or bind {name} to one"
        ) from error
