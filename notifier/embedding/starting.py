"""How notifier starts in another application: what is registered before, and what is built."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import Engine, inspect
from sqlalchemy.orm import Mapper

from notifier import clock, extras
from notifier.consent.wording import wording
from notifier.database.base import Base
from notifier.emails import EmailKind
from notifier.embedding import binding
from notifier.embedding.binding import Sessions
from notifier.embedding.confirming import Confirming
from notifier.embedding.errors import SetupError
from notifier.embedding.host import Built, Host
from notifier.embedding.host_user import HostUser
from notifier.embedding.kinds import kinds_with
from notifier.embedding.sessions import Addressing
from notifier.embedding.watching import Watcher
from notifier.entries.commits import Commits
from notifier.entries.fields import UserFields
from notifier.entries.sending import Sending
from notifier.observability import logs
from notifier.outbox import Outbox, Publish
from notifier.security.identity import OperatorIdentity

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask

Reader = TypeVar("Reader", bound=Callable[[Any], UserFields])
Hook = TypeVar("Hook", bound=Callable[[Any], object])

#: The time that the broker has before the sweep enqueues a row as well: the default of SWEEP_GRACE.
GRACE = timedelta(seconds=5)


class Starting:
    """The part of `Notifier` that knows the application around it."""

    def __init__(
        self,
        *,
        kinds: Iterable[EmailKind] = (),
        templates: Path | str | Sequence[Path | str] | None = None,
        categories: Mapping[str, tuple[str, str]] | None = None,
        publish: Publish | None = None,
        grace: timedelta = GRACE,
        allow_local_addresses: bool = False,
        tell_old_addresses: bool = False,
    ) -> None:
        """Create one. It does nothing before `init_app`.

        Raise SetupError if two kinds have one name, or for categories that cannot be shown.

        Args:
            kinds: The host's own kinds of email, besides ours.
            templates: Folders with `emails/<kind>/` of these kinds; None: the application's folder of templates.
            categories: Label and hint of `report`, `digest` or `news`, as people read them where they choose their
                emails, such as `{"news": ("Comments", "When someone answers you.")}`.
            publish: Hands the keys of committed rows to a broker. None: our Celery, if `init_app` builds it;
                otherwise the sweep of a worker finds the rows.
            grace: With `publish`, the age at which the sweep enqueues a row as well.
            allow_local_addresses: Accept addresses at localhost, .local and .test, for development.
            tell_old_addresses: When a user gets another address, tell the old one by an email, if it was confirmed.
                False: that is up to the host.
        """
        self._own_kinds = tuple(kinds)
        self._kinds = kinds_with(self._own_kinds)
        self._templates = templates
        self._categories = _checked(categories or {})
        self._watcher = Watcher(allow_local=allow_local_addresses)
        self._addressing = Addressing(self._watcher)
        self._confirming = Confirming(self._watcher)
        self._has_publisher = publish is not None
        self._commits = Commits(Outbox(publish).publish if publish is not None else None)
        self._sending = Sending(self._commits, grace=grace if publish is not None else timedelta(0), seal=_cannot_seal)
        self._watcher.telling = self._sending if tell_old_addresses else None
        self._built: Built | None = None
        #: As in SECRET_KEYS: digests name an erased address without saying which. `init_app` sets them if it builds our
        #: application.
        self.secret_keys: Sequence[str] = ()

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

    def on_verified(self, hook: Hook) -> Hook:
        """Register the decorated function: it is called with the user whose address our `verification` email confirmed.

        It runs in the application context, the session and the transaction of the host, in web and worker alike. An
        error rolls the transaction back, and the address stays unconfirmed.
        """
        self._confirming.hooks.append(hook)
        self._watcher.has_hook = True
        return hook

    @staticmethod
    def now() -> datetime:
        """Return the present moment, in UTC, of the clock that tests stop."""
        return clock.now()

    def init_app(
        self,
        app: "Flask",
        *,
        session: Sessions,
        mount: str | None = None,
        operator: Callable[[], OperatorIdentity | Literal[False] | None] | None = None,
        celery: "Celery | None" = None,
    ) -> None:
        """Start in this application, whose database is set up: see `watch`.

        With `mount` or `celery` it also builds our own Flask application, for pages and workers, on the engine of the
        host's users. Raise SetupError, which says what to change, and ConfigError (a SystemExit) with one line for each
        mistake in the settings.

        Args:
            app: The host's application. Wrap its `wsgi_app` in ProxyFix afterwards.
            session: See `watch`.
            mount: The path below which our pages are served, such as `/mail`. PUBLIC_URL must end in it.
            operator: Called in a request context of the host, for each request to the admin. Returns an
                OperatorIdentity; None or False for a person who is no operator. An exception denies.
            celery: The host's Celery, which stays the current one in our workers.
        """
        with app.app_context():
            self.watch(session)
        if operator is not None and mount is None:
            raise SetupError("operator= needs mount=, the path of the pages that operators use")
        app.extensions["notifier"] = self
        if mount is not None or celery is not None:
            self._build(app, session, mount or "", operator, celery)

    def _build(
        self,
        app: "Flask",
        session: Sessions,
        mount: str,
        operator: Callable[[], object] | None,
        celery: "Celery | None",
    ) -> None:
        try:
            extras.require("web", "init_app with mount= or celery=")
        except extras.MissingExtra as error:
            raise SetupError(str(error)) from None
        self._confirming.sessions, self._confirming.context = session, app.app_context
        folders = Path(app.root_path, app.template_folder or "") if self._templates is None else self._templates
        with app.app_context():
            engine = binding.engine_of(session)
        host = Host(
            engine=engine,
            kinds={kind.name: kind for kind in self._own_kinds},
            categories=self._categories,
            templates=[Path(each) for each in ([folders] if isinstance(folders, Path | str) else folders)],
            mount=mount,
            context=app.app_context,
            operator=None,
            confirm=self._confirming.confirm,
            celery=celery,
        )
        # By its name: without pages and workers, Flask's extensions need not be installed.
        build: Callable[[Flask, Host, Callable[[], object] | None], Built] = resolve_name("notifier.hosting:build")
        self._built = built = build(app, host, operator)
        self._kinds, self.secret_keys = built.kinds, built.secret_keys
        app.cli.add_command(built.commands(self), "notifier")
        self._watcher.allow_local = self._watcher.allow_local or built.allow_local
        # Of the newest application: tests build one after the other around the same Notifier.
        if not self._has_publisher:
            self._commits.enqueue, self._sending.grace = built.enqueue, built.grace
        self._sending.seal = built.seal

    @property
    def app(self) -> "Flask":
        """Our own Flask application, with its pages. Raise SetupError if `init_app` built none."""
        return self._parts.app

    @property
    def celery(self) -> "Celery":
        """Our own Celery, whose workers send. Raise SetupError if `init_app` built none."""
        return self._parts.celery

    @property
    def _parts(self) -> Built:
        if self._built is None:
            raise SetupError("there is no application of notifier: call init_app with mount= or celery=")
        return self._built

    def watch(self, session: Sessions) -> None:
        """Watch the sessions of a `scoped_session` (such as `db.session` of Flask-SQLAlchemy) or a `sessionmaker`.

        Raise SetupError, which says what to change, unless the host's users and our tables are on one engine.
        """
        logs.leave_to_host()
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
        with engine.begin() as connection:
            Base.metadata.create_all(connection)
            # By its name: an application that has migrations never calls this, and need not load Alembic.
            resolve_name("notifier.migrations:stamp_newest")(connection)


def _cannot_seal(_data: str) -> str:
    raise SetupError(
        "secret data are sealed with SECRET_KEYS, and this process has none: give init_app mount= or celery="
    )


def _checked(categories: Mapping[str, tuple[str, str]]) -> Mapping[str, tuple[str, str]]:
    try:
        wording(categories)
    except ValueError as error:
        raise SetupError(f"categories=: {error}") from None
    return dict(categories)


def _primary_key(model: type[Any]) -> str:
    mapper: Mapper[Any] = inspect(model)
    if len(mapper.primary_key) != 1:
        raise SetupError(f"{model.__name__} has no single primary key: name the attribute of its id with key=")
    return mapper.get_property_by_column(mapper.primary_key[0]).key
