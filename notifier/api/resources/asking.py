"""Ask for one email: the same for a single request and for an item of a batch."""

from functools import partial
from typing import Final, NamedTuple

from psycopg import errors as postgres_errors
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from notifier import clock, ledger
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
from notifier.entries import changed_addresses, content, people, standing
from notifier.entries.errors import DataRefused, KeyConflict, UnknownKind
from notifier.entries.people import Person
from notifier.entries.sending import Wanted, check_times
from notifier.entries.standing import Standing
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
    if is_postgres(session):
        session.execute(_WAIT)


def is_postgres(session: Session) -> bool:
    """Return whether our tables are in Postgres."""
    return session.get_bind().dialect.name == "postgresql"


def still_running(error: OperationalError) -> Problem:
    """Return the problem if another transaction had the key for too long. Raise any other error again.

    Two batches that wait for keys of each other are such transactions, too.
    """
    if not isinstance(error.orig, postgres_errors.LockNotAvailable | postgres_errors.DeadlockDetected):
        raise error
    return Problem(IN_PROGRESS, retry_after=RETRY_AFTER_SECONDS)


class Content(NamedTuple):
    """What an email is about, checked."""

    kind: EmailKind
    data: object


def ask_for(session: Session, caller: Caller, key: str, body: EmailBody) -> Notification:
    """Write the row of an email, or return the one with this key. The caller commits. Raise Problem."""
    about = checked(caller, body)
    if isinstance(body.to, InlineUser):
        wait_briefly(session)
        _store(session, caller, body.to)
    connection, external_id = people.connection_of(session), id_of(body)
    found = standing.find(connection, external_id, about.kind, wait_ms=WAIT_MS)
    refused = refusal(None if found is None else found.person)
    if found is None or refused is not None:
        raise refused or Problem(UNKNOWN_USER)
    check = partial(_check_reachable, session, external_id)
    try:
        wanted = wanted_of(caller, key, body, about)
        return services().sending.write(session, wanted, check, skip=reason_against(body, found, about.kind))
    except KeyConflict:
        raise Problem(KEY_REUSED) from None


def checked(caller: Caller, body: EmailBody) -> Content:
    """Check everything of a body that needs no row. Raise Problem."""
    if not may_send(caller.scopes, body.kind):
        raise Problem(MISSING_SCOPE, f"the key has neither {Scope.notifications_write} nor the scope to send this kind")
    about = _content(body)
    try:
        check_times(body.at, body.until)
    except ValueError:
        detail = "The email would end before it is sent."
        raise invalid(in_body("/until", "too-early", detail)) from None
    return about


def id_of(body: EmailBody) -> str:
    """Return the id of the person."""
    return body.to if isinstance(body.to, str) else body.to.id


def wanted_of(caller: Caller, key: str, body: EmailBody, about: Content) -> Wanted:
    """Return what a checked body asks for."""
    return Wanted(about.kind, id_of(body), None, about.data, key, body.at, body.until, caller.principal)


def refusal(person: Person | None) -> Problem | None:
    """Return what is wrong with a person to whom no email can be sent; None: nothing."""
    if person is None or person.erased_at is not None:
        return Problem(UNKNOWN_USER)
    return Problem(NO_ADDRESS) if person.identity_key == NO_IDENTITY else None


def reason_against(body: EmailBody, found: Standing, kind: EmailKind) -> ledger.Why | None:
    """Return why the person gets no such email; None: they do, or it is for later and is judged when it is sent."""
    is_later = body.at is not None and body.at > clock.now()
    return None if is_later else found.reason_against(kind)


def _content(body: EmailBody) -> Content:
    try:
        kind = content.sendable(services().kinds, body.kind)
    except UnknownKind:
        detail = "There is no such kind of email, or only campaigns send it."
        raise invalid(in_body("/kind", "unknown-kind", detail)) from None
    try:
        return Content(kind, content.checked(kind, body.data))
    except DataRefused as error:
        raise mistakes.in_data(error.places) from None


def _check_reachable(session: Session, external_id: str) -> None:
    """Raise Problem if there is no person with this id, or none to whom an email can be sent."""
    refused = refusal(people.find(people.connection_of(session), external_id))
    if refused is not None:
        raise refused


def _store(session: Session, caller: Caller, user: InlineUser) -> None:
    """Store a person who came along. Only a key with users:write changes one who is here, or confirms an address."""
    fields = user.fields(user.id, "/to")
    if Scope.users_write in caller.scopes:
        changed_addresses.write(session, [fields], sending=services().sending, allow_local=allow_local())
        return
    if user.verified_at is not None:
        raise Problem(MISSING_SCOPE, f"the key lacks the scope {Scope.users_write}, which confirming an address needs")
    people.add_new(people.connection_of(session), fields, allow_local=allow_local())
