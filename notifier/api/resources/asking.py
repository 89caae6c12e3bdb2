"""Ask for one email: the same for a single request and for an item of a batch."""

from functools import partial
from typing import Final

from psycopg import errors as postgres_errors
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.api import mistakes
from notifier.api.problems import (
    IN_PROGRESS,
    KEY_REUSED,
    MISSING_SCOPE,
    NO_ADDRESS,
    UNKNOWN_USER,
    Problem,
    in_body,
    invalid,
)
from notifier.api.requests import Caller
from notifier.api.resources.email_shapes import EmailBody
from notifier.api.resources.people import InlineUser, allow_local
from notifier.emails import EmailKind
from notifier.entries import changed_addresses, content, people
from notifier.entries.errors import DataRefused, KeyConflict, UnknownKind
from notifier.entries.people import Person
from notifier.entries.sending import Wanted, check_times
from notifier.entries.standing import reason_against
from notifier.models import NO_IDENTITY, Notification
from notifier.operators.scopes import Scope, may_send
from notifier.services import services

#: How long a repeat waits for a request with the same key that is still running.
WAIT_MS: Final = 2000

_WAIT: Final = select(func.set_config("lock_timeout", str(WAIT_MS), True))

#: Seconds after which it may be repeated again.
RETRY_AFTER_SECONDS: Final = 2


def wait_briefly(session: Session) -> None:
    """Let this transaction wait for another one with the same key for WAIT_MS at most.

    On SQLite one transaction writes at a time: it waits for its turn as every other one.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_WAIT)


def still_running(error: OperationalError) -> Problem:
    """Return the problem if another transaction had the key for too long. Raise any other error again."""
    if not isinstance(error.orig, postgres_errors.LockNotAvailable):
        raise error
    return Problem(IN_PROGRESS, retry_after=RETRY_AFTER_SECONDS)


def ask_for(session: Session, caller: Caller, key: str, body: EmailBody) -> Notification:
    """Write the row of an email, or return the one with this key. The caller commits. Raise Problem."""
    if not may_send(caller.scopes, body.kind):
        raise Problem(MISSING_SCOPE, f"the key has neither {Scope.notifications_write} nor the scope to send this kind")
    kind, data = _content(body)
    try:
        check_times(body.at, body.until)
    except ValueError:
        detail = "The email would end before it is sent."
        raise invalid(in_body("/until", "too-early", detail)) from None
    person = _person(session, caller, body.to)
    wanted = Wanted(kind, person.external_id, None, data, key, body.at, body.until, caller.principal)
    is_later = body.at is not None and body.at > clock.now()
    # An email for later is judged when it is sent.
    skip = None if is_later else reason_against(session, person, kind)
    try:
        check = partial(_reachable, session, person.external_id)
        return services().sending.write(session, wanted, check, skip=skip)
    except KeyConflict:
        raise Problem(KEY_REUSED) from None


def _content(body: EmailBody) -> tuple[EmailKind, object]:
    try:
        kind = content.sendable(services().kinds, body.kind)
    except UnknownKind:
        detail = "There is no such kind of email, or only campaigns send it."
        raise invalid(in_body("/kind", "unknown-kind", detail)) from None
    try:
        return kind, content.checked(kind, body.data)
    except DataRefused as error:
        raise mistakes.in_data(error.places) from None


def _person(session: Session, caller: Caller, to: str | InlineUser) -> Person:
    if isinstance(to, InlineUser):
        _store(session, caller, to)
    return _reachable(session, to if isinstance(to, str) else to.id)


def _reachable(session: Session, external_id: str) -> Person:
    """Return the person with this id. Raise Problem if there is none, or none to whom an email can be sent."""
    person = people.find(people.connection_of(session), external_id)
    if person is None or person.erased_at is not None:
        raise Problem(UNKNOWN_USER)
    if person.identity_key == NO_IDENTITY:
        raise Problem(NO_ADDRESS)
    return person


def _store(session: Session, caller: Caller, user: InlineUser) -> None:
    """Store a person who came along. Only a key with users:write changes one who is here, or confirms an address."""
    fields = user.fields(user.id, "/to")
    if Scope.users_write in caller.scopes:
        changed_addresses.write(session, [fields], sending=services().sending, allow_local=allow_local())
        return
    if user.verified_at is not None:
        raise Problem(MISSING_SCOPE, f"the key lacks the scope {Scope.users_write}, which confirming an address needs")
    people.add_new(people.connection_of(session), fields, allow_local=allow_local())
