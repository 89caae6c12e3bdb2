"""Which session a call uses, and which person it is about."""

from sqlalchemy.orm import Session, object_session, scoped_session

from notifier.embedding.binding import Sessions
from notifier.embedding.errors import DuringFlush, Erased, NoAddress, NoSession, SetupError, UnknownUser
from notifier.embedding.host_user import HostUser
from notifier.embedding.watching import Watcher, session_of_hook
from notifier.entries import people
from notifier.entries.fields import external_id_of
from notifier.entries.people import Person
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import NO_IDENTITY


class Addressing:
    """Finds the session and the person that a caller means."""

    def __init__(self, watcher: Watcher) -> None:
        """Create one. Set `sessions` when the host's are known."""
        self._watcher = watcher
        self.sessions: Sessions | None = None

    def session(self, to: object, given: Session | None) -> Session:
        """Return the session of the call, flushed unless a hook runs in its flush.

        In this order: the given one, that of the hook that runs, that of the host's row, the host's scoped session.
        Raise NoSession, or DuringFlush in a flush event of the host.
        """
        session = given or session_of_hook() or self._of_row(to) or self._scoped()
        if session is None:
            raise NoSession("with a sessionmaker, pass session= or a user that is in a session")
        if not self._watcher.watches(session):
            raise NoSession("notifier does not watch this session: call notifier.watch() with its sessionmaker")
        if session is session_of_hook():
            return session
        # There is no public way to ask; session.flush() would raise an error that does not say what to do.
        if session._flushing:
            raise DuringFlush("no row can be written in a flush event: use a hook, @notifier.on(Model, 'insert')")
        session.flush()
        return session

    def person(self, session: Session, to: object) -> Person:
        """Return the person. Raise UnknownUser, or Erased."""
        person = self.known(session, to)
        if person.erased_at is not None:
            raise Erased(f"the person {person.external_id!r} was erased, so they get no email")
        return person

    def known(self, session: Session, to: object) -> Person:
        """Return the person, or what is left of an erased one. Raise UnknownUser."""
        external_id = self.external_id(to)
        found = people.find(people.connection_of(session), external_id)
        if found is None:
            raise UnknownUser(
                f"notifier does not know the user {external_id!r}: it learns of users when a session stores them. For "
                "users who existed before, or were stored by a bulk statement, run flask notifier users sync once, or "
                "call notifier.touch(user)"
            )
        return found

    def reachable(self, session: Session, to: object, address: str | None = None) -> Person:
        """Return the person. `address`: another address, to which an email may go if they have none.

        Raise UnknownUser, Erased, or NoAddress if no email can be sent to them.
        """
        person = self.person(session, to)
        if address is None and person.identity_key == NO_IDENTITY:
            raise NoAddress(f"the person {person.external_id!r} has no address that an email can be sent to")
        return person

    def external_id(self, to: object) -> str:
        """Return the id. Raise UnknownUser if this is neither a user who has one nor an id."""
        try:
            return self._user.id_of(to) if isinstance(to, self._user.model) else external_id_of(to)
        except ValueError as error:
            raise UnknownUser(f"this is no user that is stored, and no id: {error}") from error

    def envelope(self, address: str) -> str:
        """Return another address of a person as the envelope has it. Raise NoAddress if no email can go there."""
        try:
            return parse_address(address, allow_local=self._watcher.allow_local).envelope
        except AddressError as error:
            raise NoAddress(f"no email can be sent to the address that was given: {error}") from None

    def _of_row(self, to: object) -> Session | None:
        return object_session(to) if isinstance(to, self._user.model) else None

    def _scoped(self) -> Session | None:
        return self.sessions() if isinstance(self.sessions, scoped_session) else None

    @property
    def _user(self) -> HostUser:
        if self._watcher.user is None:
            raise SetupError("no user class: decorate a function with @notifier.user(Model) first")
        return self._watcher.user
