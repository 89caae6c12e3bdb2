"""Requests of the public forms: stored by the web request, decided by a worker.

The web request does the same work for every address: it inserts one row. A worker later looks up whether there is an
account, and what to send, so the response time says nothing about an address.

A row is handled and deleted in one transaction: if the process is killed in between, another one handles it. Requests
for the same identity are handled in the order of their ids.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Executable, Row, ScalarSelect, bindparam, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from notifier import clock
from notifier.accounts.signup import Accounts, Applicant
from notifier.database.outages import is_outage
from notifier.database.transaction import transaction
from notifier.mail.addresses import Address
from notifier.mail.providers import provider_of
from notifier.models import AccountAction, AccountRequest
from notifier.models.account_request import RETRY_AFTER

log = structlog.get_logger(__name__)

#: Rows that a sweep enqueues in one transaction, and the number of such transactions.
CHUNK, ROUNDS = 1000, 20

#: Time before a request that was enqueued is enqueued again.
ENQUEUE_AGAIN = timedelta(seconds=60)

_R = AccountRequest
_SAME = aliased(_R)


@dataclass(frozen=True, slots=True)
class Requeued:
    """Counts of one sweep of the requests: those that the broker took, and those that it did not."""

    enqueued: int
    refused: int


class AccountRequests:
    """Store, handle and re-queue requests.

    `add` flushes and the caller commits; the other methods own their short transactions.
    """

    def __init__(
        self,
        session: Callable[[], Session],
        accounts: Accounts,
        publish: Callable[..., bool],
        *,
        grace: timedelta,
    ) -> None:
        """Enqueue with `publish(keys)` of an outbox. `grace`: age of a new row from which the sweep enqueues it."""
        self._session = session
        self._accounts = accounts
        self._publish = publish
        self._grace = grace

    def add(self, session: Session, action: AccountAction, applicant: Applicant) -> None:
        """Store a form's request. The statements are the same for every address, known or not."""
        now = clock.now()
        session.add(
            AccountRequest(
                action=action.value,
                email=applicant.address.envelope,
                identity_key=applicant.address.identity_key,
                display_name=applicant.display_name,
                locale=applicant.locale,
                timezone=applicant.timezone,
                network=applicant.network,
                known_provider=provider_of(applicant.address.domain) is not None,
                created_at=now,
                enqueue_at=now + self._grace,
            )
        )
        session.flush()

    def handle(self, pk: int, *, then: Callable[[], None] = lambda: None) -> None:
        """Handle this request, those of the same identity before it, and those that arrive in the meantime.

        `then` is called after each of them, or once after the first two if two people made them: nothing is locked, and
        what was asked for can be sent.

        Do nothing if it is handled already, or if another worker handles one of the same identity: that worker goes on
        with this one. An error is logged and counted. Raise DBAPIError while the database is unreachable.

        One request at a known provider is handled first, if any waits, so that a flood of sign-ups at other domains
        does not delay it. A request that failed, and later ones of the same identity, wait for its next attempt.
        """
        taken = self._take(_URGENT, pk=pk) or self._take(_FIRST, pk=pk)
        if taken is None:
            return
        first = [taken]
        if taken.person not in (None, taken.identity) and (own := self._take(_NEXT, person=taken.person)) is not None:
            # Decided before any email goes out, because a mail server may hang.
            first.append(own)
        if any(each.is_done for each in first):
            then()
        for each in first:
            # While this worker had that request, others left those of the same identity to it.
            goes_on = each.is_done
            while goes_on and (following := self._take(_NEXT, person=each.identity)) is not None:
                goes_on = following.is_done
                if goes_on:
                    then()

    def sweep(self) -> Requeued:
        """Enqueue the requests that no worker has handled in time."""
        enqueued = 0
        for _ in range(ROUNDS):
            keys = self._note_overdue()
            if keys and not self._publish(keys):
                # The next sweep finds them again.
                with transaction(self._session) as session:
                    _enqueue_at(session, _R.id.in_(keys), clock.now())
                return Requeued(enqueued, len(keys))
            enqueued += len(keys)
            if len(keys) < CHUNK:
                break
        return Requeued(enqueued, 0)

    def retry_failed(self) -> int:
        """Let the requests that were given up start again. Return how many."""
        with transaction(self._session) as session:
            failed = session.scalars(select(_R).where(_R.given_up()).with_for_update()).all()
            for row in failed:
                row.attempts, row.enqueue_at = 0, clock.now()
        return len(failed)

    def _take(self, statement: Executable, **given: int | str | None) -> "_Taken | None":
        """Handle and delete one request. Return None if there is none, or if another worker has it."""
        row = None
        try:
            with transaction(self._session) as session:
                row = session.execute(statement, given).one_or_none()
                if row is None:
                    return None
                self._decide(session, row)
        except Exception as error:
            # Any error of one request: it must neither stop the others nor be lost with a message.
            if row is None or is_outage(error):
                raise
            self._note_failure(row.id, error)
            return _Taken(row.identity_key, row.person, is_done=False)
        return _Taken(row.identity_key, row.person, is_done=True)

    def _decide(self, session: Session, row: Row[*tuple[Any, ...]]) -> None:
        local, _, domain = row.email.rpartition("@")
        address = Address(row.email, row.identity_key, domain, smtputf8=not local.isascii())
        match AccountAction(row.action):
            case AccountAction.signup:
                applicant = Applicant(address, row.display_name, row.locale, row.timezone, row.network)
                self._accounts.register(session, applicant)
            case AccountAction.resend:
                self._accounts.resend(session, address, row.network)

    def _note_failure(self, pk: int, error: Exception) -> None:
        """Count the failure and set the next attempt.

        Log only the error's type and place: its text may quote the address.
        """
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        with transaction(self._session) as session:
            row = session.get(AccountRequest, pk, with_for_update=True)
            if row is None:
                return
            attempts = row.attempts = row.attempts + 1
            given_up = attempts > len(RETRY_AFTER)
            if not given_up:
                row.enqueue_at = clock.now() + RETRY_AFTER[attempts - 1]
        event = "account_request.given_up" if given_up else "account_request.failed"
        log.error(event, request=pk, error=type(error).__name__, place=place, attempts=attempts)

    def _note_overdue(self) -> list[int]:
        """Mark overdue requests as enqueued before they are.

        A worker must not find a row locked that it was sent for.
        """
        now = clock.now()
        with transaction(self._session) as session:
            overdue = select(_R.id).where(_R.enqueue_at <= now, ~_R.given_up()).order_by(_R.id)
            # Locked rows are being handled.
            keys = list(session.scalars(overdue.limit(CHUNK).with_for_update(skip_locked=True)))
            if keys:
                _enqueue_at(session, _R.id.in_(keys), now + ENQUEUE_AGAIN)
        return keys


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request that was handled or failed."""

    identity: str
    #: The identity whose requests this worker handles; None if the request that it was called for is gone.
    person: str | None
    is_done: bool


def _first(*whose: ColumnElement[bool]) -> ScalarSelect[int | None]:
    return select(func.min(_R.id)).where(*whose, ~_R.given_up()).scalar_subquery()


def _taking(which: ColumnElement[int | None], person: ColumnElement[Any]) -> Executable:
    """Build the statement that deletes the request with the key `which`, unless another worker has it.

    It returns what is to be done, and `person`. One statement finds, locks and deletes: a sign-up waits for it.
    """
    free = select(_SAME.id).where(_SAME.id == which, ~_SAME.given_up()).with_for_update(skip_locked=True)
    taken = delete(_R).where(_R.id == free.scalar_subquery()).execution_options(synchronize_session=False)
    asked = (_R.id, _R.action, _R.email, _R.identity_key, _R.display_name, _R.locale, _R.timezone, _R.network)
    return taken.returning(*asked, person.label("person"))


def _urgent() -> ScalarSelect[int | None]:
    failed = aliased(_R)
    waits = select(failed.id).where(failed.identity_key == _R.identity_key, failed.attempts > 0).exists()
    return _first(_R.known_provider.is_(True), ~waits)


def _enqueue_at(session: Session, which: ColumnElement[bool], moment: object) -> None:
    later = update(_R).where(which).values(enqueue_at=moment)
    session.execute(later.execution_options(synchronize_session=False))


_OTHER = aliased(_R)
_PERSON = select(_OTHER.identity_key).where(_OTHER.id == bindparam("pk")).scalar_subquery()
_FIRST_OF_PERSON = _first(_R.identity_key == _PERSON)

#: Take a request at a known provider if any waits, or else the first of the person who made the request `pk`.
_URGENT: Final = _taking(func.coalesce(_urgent(), _FIRST_OF_PERSON), _PERSON)
_FIRST: Final = _taking(_FIRST_OF_PERSON, _PERSON)
#: Take the first of this person.
_NEXT: Final = _taking(_first(_R.identity_key == bindparam("person")), bindparam("person", type_=_R.identity_key.type))
