"""Notifier: the object that another Flask application creates once, beside its own `db`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Engine, inspect
from sqlalchemy.orm import Mapper

from notifier.database.base import Base
from notifier.embedding import binding
from notifier.embedding.binding import Sessions
from notifier.embedding.errors import SetupError
from notifier.embedding.fields import UserFields
from notifier.embedding.watching import HostUser, Watcher

Reader = TypeVar("Reader", bound=Callable[[Any], UserFields])


class Notifier:
    """The writer: rows of notifier in the host's own sessions and transactions.

    It takes the host's sessions, never makes one for writing, and never commits.
    """

    def __init__(self, *, allow_local_addresses: bool = False) -> None:
        """Create one. It does nothing before `init_app`.

        Args:
            allow_local_addresses: Accept addresses at localhost, .local and .test, for development.
        """
        self._watcher = Watcher(allow_local=allow_local_addresses)

    def user(
        self, model: type[Any], *, watch: Sequence[str] = (), key: str | None = None
    ) -> Callable[[Reader], Reader]:
        """Register the decorated function, which reads `UserFields` from a row of the host's user class.

        Args:
            model: The mapped class.
            watch: The attributes whose changes count; the others cost nothing. Empty: all count.
            key: The attribute that becomes `UserFields.id`; None: the primary key.
        """

        def register(reader: Reader) -> Reader:
            if self._watcher.user is not None:
                raise SetupError(f"the users are {self._watcher.user.model.__name__} already")
            self._watcher.user = HostUser(model, reader, tuple(watch), key or _primary_key(model))
            return reader

        return register

    def init_app(self, app: Flask, *, session: Sessions) -> None:
        """Start in this application, whose database is set up: see `watch`."""
        with app.app_context():
            self.watch(session)

    def watch(self, session: Sessions) -> None:
        """Watch the sessions of a `scoped_session` (such as `db.session` of Flask-SQLAlchemy) or a `sessionmaker`.

        Raise SetupError, which says what to change, unless the host's users and our tables are on one engine.
        """
        user = self._watcher.user
        if user is None:
            raise SetupError("no user class: decorate a function with @notifier.user(Model) first")
        user.check()
        maker = binding.maker_of(session)
        binding.check_engine(maker, user.model)
        self._watcher.listen(maker)

    def create_all(self, engine: Engine) -> None:
        """Create our tables that do not exist yet: for tests of hosts that call `db.create_all()`."""
        Base.metadata.create_all(engine)


def _primary_key(model: type[Any]) -> str:
    mapper: Mapper[Any] = inspect(model)
    if len(mapper.primary_key) != 1:
        raise SetupError(f"{model.__name__} has no single primary key: name the attribute of its id with key=")
    return mapper.get_property_by_column(mapper.primary_key[0]).key
