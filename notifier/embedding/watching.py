"""Watch the host's sessions: collect during a flush, and write after it, when keys are known and relationships load."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, UOWTransaction, object_session, sessionmaker

from notifier.embedding.differences import differing
from notifier.embedding.errors import SetupError
from notifier.embedding.host_user import HostUser
from notifier.entries import changed_addresses, people
from notifier.entries.fields import UserFields, external_id_of
from notifier.entries.sending import Sending
from notifier.models import User

#: The session whose flush has just ended, while a hook of the host runs.
_in_hook: ContextVar[Session | None] = ContextVar("notifier_in_hook", default=None)


def session_of_hook() -> Session | None:
    """Return the session for which an `on` hook runs at present."""
    return _in_hook.get()


@contextmanager
def _tables_needed() -> Iterator[None]:
    """Turn the database's error about a table of ours that is missing into one that says what to do."""
    try:
        yield
    except DBAPIError as error:
        # The drivers have no class in common for it.
        text = str(error.orig)
        if User.__tablename__ in text and ("no such table" in text or "does not exist" in text):
            raise SetupError(
                "the tables of notifier are missing in this database: call notifier.migrations.upgrade(op, ...) in a "
                "migration of yours, or notifier.create_all(engine) in tests"
            ) from error
        raise


@contextmanager
def _running_hooks(session: Session) -> Iterator[None]:
    token = _in_hook.set(session)
    try:
        yield
    finally:
        _in_hook.reset(token)


@dataclass
class _Flush:
    """What one flush changes."""

    users: list[Any] = field(default_factory=list)
    #: Those of them that were stored before, with the attributes that change.
    updated: list[tuple[Any, frozenset[str]]] = field(default_factory=list)
    inserted: list[Any] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    #: The former external id of users whose key changes, and the new one.
    renamed: dict[str, str] = field(default_factory=dict)
    #: The rows that are flushed; None: all.
    only: tuple[Any, ...] | None = None

    def has(self, row: object) -> bool:
        """Return whether the flush stores this row."""
        return self.only is None or any(row is each for each in self.only)


class Watcher:
    """The hooks of one `Notifier` in the host's sessions."""

    def __init__(self, *, allow_local: bool) -> None:
        """Create one that watches nothing yet. `allow_local`: addresses of this machine or network are usable."""
        self.allow_local = allow_local
        self.user: HostUser | None = None
        self.hooks: list[tuple[type[Any], Callable[[Any], object]]] = []
        #: Whether the host learns of confirmations by our links, and so can keep them itself.
        self.has_hook = False
        #: Writes the email to an old address when one is replaced; None: the host tells it, or none does.
        self.telling: Sending | None = None
        self._classes: tuple[type[Session], ...] = ()

    def listen(self, sessions: "sessionmaker[Session]") -> None:
        """Watch every session that `sessions` creates. Calling it again changes nothing."""
        # A class below one that is watched has its events, too.
        if self.user is None or issubclass(sessions.class_, self._classes):
            return
        self._classes = (*self._classes, sessions.class_)
        event.listen(sessions, "before_flush", self._begin)
        event.listen(sessions, "after_flush", self._collect)
        event.listen(sessions, "after_flush_postexec", self._write)
        if not event.contains(self.user.model, "before_delete", self._deleting):
            event.listen(self.user.model, "before_delete", self._deleting, propagate=True)

    def watches(self, session: Session) -> bool:
        """Return whether the session was made by a sessionmaker that is watched."""
        return isinstance(session, self._classes)

    def mirror(self, session: Session, fields: Iterable[UserFields]) -> None:
        """Store these people, in the session's transaction."""
        how: Any = {"allow_local": self.allow_local, "has_hook": self.has_hook}
        if self.telling is not None:
            changed_addresses.write(session, fields, sending=self.telling, **how)
        else:
            people.write(people.connection_of(session), fields, **how)

    def differing(self, fields: UserFields, row: Mapping[str, Any] | None) -> list[str]:
        """Return the columns in which the row differs from the fields; all of them if there is no row.

        Raise ValueError for an id or attributes that cannot be stored.
        """
        return differing(fields, row, allow_local=self.allow_local, has_hook=self.has_hook)

    def touch(self, session: Session, to: object) -> None:
        """Read this user, given as a row or by its id, from the database, and mirror it.

        A user who is gone is detached. In a hook a row is taken as it is, because the hook may have changed it.
        """
        user = self.user
        if user is None:
            return
        people.begin_writing(people.connection_of(session))
        external_id = user.id_of(to) if isinstance(to, user.model) else external_id_of(to)
        row = user.find(session, external_id, fresh=session is not session_of_hook())
        if row is None:
            people.detach(people.connection_of(session), {external_id})
        else:
            self.mirror(session, [user.read(row)])

    def _begin(self, session: Session, _context: UOWTransaction, instances: Iterable[Any] | None) -> None:
        # A flush that failed left what it had collected.
        session.info[self] = _Flush(only=None if instances is None else tuple(instances))

    def _deleting(self, _mapper: object, _connection: object, user: object) -> None:
        # Here the row still exists, so the id can be loaded, and rows that a cascade deletes are seen too.
        session = object_session(user)
        if session is not None and self.watches(session) and self.user is not None:
            flush: _Flush = session.info[self]
            flush.gone.add(str(getattr(user, self.user.key)))

    def _collect(self, session: Session, _context: UOWTransaction) -> None:
        user, flush = self.user, session.info.get(self)
        if user is None or flush is None:
            return
        models = tuple({model for model, _ in self.hooks})
        for row in filter(flush.has, session.new):
            if isinstance(row, user.model):
                flush.users.append(row)
            if isinstance(row, models):
                flush.inserted.append(row)
        # A row deleted and replaced under its key in one flush becomes an UPDATE, without a "before_delete".
        flush.gone.update(str(getattr(row, user.key)) for row in session.deleted if isinstance(row, user.model))
        for row in filter(flush.has, session.dirty):
            if isinstance(row, user.model) and user.is_changed(session, row):
                flush.users.append(row)
                flush.updated.append((row, frozenset(inspect(row).committed_state)))
                flush.renamed |= user.renamed(row)

    def _write(self, session: Session, _context: UOWTransaction) -> None:
        user, flush = self.user, session.info.pop(self, None)
        if user is None or flush is None:
            return
        with _tables_needed():
            if flush.gone:
                people.detach(people.connection_of(session), flush.gone)
            if flush.renamed:
                people.rename(people.connection_of(session), flush.renamed)
            if flush.users:
                user.expire_stale(session, flush.updated)
                self.mirror(session, [user.read(row) for row in flush.users])
        if flush.inserted:
            with _running_hooks(session):
                self._run_hooks(flush.inserted)

    def _run_hooks(self, rows: list[Any]) -> None:
        for row in rows:
            for model, hook in self.hooks:
                if isinstance(row, model):
                    hook(row)
