"""Notifier: the object that another Flask application creates once, beside its own `db`."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine, inspect
from sqlalchemy.orm import Mapper, Session

from notifier.campaigns.explanations import Answer
from notifier.database.base import Base
from notifier.emails import EmailKind
from notifier.embedding import binding, content, people, recording
from notifier.embedding.binding import Sessions
from notifier.embedding.commits import Commits
from notifier.embedding.errors import SetupError
from notifier.embedding.fields import UserFields
from notifier.embedding.sending import Sending, check_key, check_times
from notifier.embedding.sessions import Addressing
from notifier.embedding.watching import HostUser, Watcher
from notifier.explain.why import why
from notifier.models import Activity, Notification
from notifier.outbox import Outbox, Publish

if TYPE_CHECKING:
    from flask import Flask

Reader = TypeVar("Reader", bound=Callable[[Any], UserFields])
Hook = TypeVar("Hook", bound=Callable[[Any], object])

#: The time that the broker has before the sweep enqueues a row as well: the default of SWEEP_GRACE.
GRACE = timedelta(seconds=5)


class Notifier:
    """The writer: rows of notifier in the host's own sessions and transactions.

    It takes the host's sessions, never makes one for writing, and never commits.
    """

    def __init__(
        self,
        *,
        kinds: Iterable[EmailKind] = (),
        publish: Publish | None = None,
        grace: timedelta = GRACE,
        allow_local_addresses: bool = False,
    ) -> None:
        """Create one. It does nothing before `init_app`. Raise SetupError if two kinds have one name.

        Args:
            kinds: The host's own kinds of email, besides ours.
            publish: Hands the keys of committed rows to a broker. None: the sweep of a worker finds the rows.
            grace: With `publish`, the age at which the sweep enqueues a row as well.
            allow_local_addresses: Accept addresses at localhost, .local and .test, for development.
        """
        self._kinds = content.kinds_with(kinds)
        self._watcher = Watcher(allow_local=allow_local_addresses)
        self._addressing = Addressing(self._watcher)
        self._commits = Commits(Outbox(publish) if publish is not None else None)
        self._sending = Sending(self._commits, grace=grace if publish is not None else timedelta(0))

    def user(
        self, model: type[Any], *, watch: Sequence[str] = (), key: str | None = None
    ) -> Callable[[Reader], Reader]:
        """Register the decorated function, which reads `UserFields` from a row of the host's user class.

        It is called after each flush that adds or changes such rows. Bulk statements and raw SQL are not seen.

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

    def on(self, model: type[Any], happens: str) -> Callable[[Hook], Hook]:
        """Register the decorated function: it is called with each row of `model` that is inserted.

        It runs after the flush, in the same transaction, once the users are mirrored: keys are known, relationships
        load, and `send` works. Changes to host rows are written by the commit. An error rolls the transaction back.

        Raise ValueError unless `happens` is "insert".
        """
        if happens != "insert":
            raise ValueError('hooks run on "insert" only')

        def register(hook: Hook) -> Hook:
            self._watcher.hooks.append((model, hook))
            return hook

        return register

    def send(
        self,
        kind: str,
        to: object,
        *,
        data: object = None,
        key: str | None = None,
        at: datetime | None = None,
        until: datetime | None = None,
        session: Session | None = None,
    ) -> Notification:
        """Write the row of an email in the transaction of the session. The caller commits.

        Outside of a hook it flushes first, so a user that was just added is known.

        Args:
            kind: The name of the kind of email.
            to: A user of the host, or the id of one.
            data: What the kind's `Data` takes.
            key: The same key with the same content gives the same row; None: each call is another email.
            at: It is not sent before; None: now.
            until: It is not sent after; None: when the kind's lifetime has passed.
            session: By default that of the hook, of the user's row, or the scoped session.

        Raise UnknownKind, DataRefused, UnknownUser, NoAddress, KeyConflict, NoSession, or DuringFlush. Raise ValueError
        for a time without a zone and for a key that is none.
        """
        found = content.sendable(self._kinds, kind)
        checked = content.checked(found, data)
        check_key(key)
        check_times(at, until)
        current = self._addressing.session(to, session)
        person = self._addressing.reachable(current, to)
        return self._sending.write(current, found, person, data=checked, key=key, at=at, until=until)

    def record(
        self,
        kind: str,
        to: object,
        *,
        id: str | None = None,
        at: datetime | None = None,
        actor: str = "",
        object_key: str = "",
        object_title: str = "",
        session: Session | None = None,
    ) -> Activity:
        """Write that something happened to a user, for digests and reports. The caller commits.

        Args:
            kind: Such as `like`, `comment`, `follow` or `friend_request`; others count as other activity.
            to: The user whom it is about, or the id of one.
            id: The same id with the same content gives the same row; None: each call is another activity.
            at: When it happened; None: now.
            actor: The name of the person who did it.
            object_key: Groups activities on one object: ten likes of one photo are one line.
            object_title: The name of that object.
            session: As for `send`.

        Raise UnknownUser, KeyConflict, NoSession, or DuringFlush. Raise ValueError for a kind, an id, a key or a time
        that cannot be stored.
        """
        check_key(id)
        check_times(at, None)
        current = self._addressing.session(to, session)
        person = self._addressing.person(current, to)
        return recording.write(
            current,
            kind,
            person,
            external_id=id,
            at=at,
            actor=actor,
            object_key=object_key,
            object_title=object_title,
        )

    def why(self, user: object, campaign: str | None = None, *, session: Session | None = None) -> list[Answer]:
        """Return for each campaign, or for the named one, why this person gets its email, or why not.

        Outside of a hook it flushes first. Raise UnknownUser, NoSession, DuringFlush, or CampaignError if there is no
        such campaign.
        """
        current = self._addressing.session(user, session)
        person = self._addressing.person(current, user)
        # The rule asks its session for the one engine of our tables, which a session with several binds cannot tell.
        with Session(people.connection_of(current), join_transaction_mode="rollback_only") as reading:
            return why(reading, person.id, self._kinds, campaign)

    def init_app(self, app: "Flask", *, session: Sessions) -> None:
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
        self._commits.listen(maker)
        self._addressing.sessions = session

    def create_all(self, engine: Engine) -> None:
        """Create our tables that do not exist yet: for tests of hosts that call `db.create_all()`."""
        Base.metadata.create_all(engine)


def _primary_key(model: type[Any]) -> str:
    mapper: Mapper[Any] = inspect(model)
    if len(mapper.primary_key) != 1:
        raise SetupError(f"{model.__name__} has no single primary key: name the attribute of its id with key=")
    return mapper.get_property_by_column(mapper.primary_key[0]).key
