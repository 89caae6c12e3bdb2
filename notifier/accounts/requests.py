"""What the public forms ask for: stored in the request, decided by a worker.

The request does the same work for every address: it inserts one row. Whether there is an account, and what it is owed,
is looked up when the row is handled, so the time of an answer says nothing about an address.

A row is handled and deleted in one transaction: a process that is killed in between leaves it for another one. Requests
for the same identity are handled in the order of their ids.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, aliased

from notifier import clock
from notifier.accounts.signup import Accounts, Applicant
from notifier.database.outages import is_outage
from notifier.database.transaction import reading, transaction
from notifier.mail.addresses import Address
from notifier.mail.providers import provider_of
from notifier.models import AccountAction, AccountRequest
from notifier.models.account_request import RETRY_AFTER

log = structlog.get_logger(__name__)

#: Rows that one sweep enqueues in one transaction, and in how many such steps.
CHUNK, ROUNDS = 1000, 20

#: A request that was enqueued is given so long before it is enqueued again.
ENQUEUE_AGAIN = timedelta(seconds=60)

_R = AccountRequest


@dataclass(frozen=True, slots=True)
class Requeued:
    """What one sweep of the requests did: how many the broker took, and how many it did not."""

    enqueued: int
    refused: int


class AccountRequests:
    """Store, handle and re-queue them. `add` flushes and the door commits; the others own their short transactions."""

    def __init__(
        self,
        session: Callable[[], Session],
        accounts: Accounts,
        publish: Callable[..., bool],
        *,
        grace: timedelta,
    ) -> None:
        """Take `publish(keys)` of an outbox, and how long a new row has before the sweep enqueues it (`grace`)."""
        self._session = session
        self._accounts = accounts
        self._publish = publish
        self._grace = grace

    def add(self, session: Session, action: AccountAction, applicant: Applicant) -> None:
        """Store what a form asks for. The statements are the same for every address, known or not."""
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

    def handle(self, pk: int) -> None:
        """Handle this request, those of the same identity that came before it, and those that come meanwhile.

        Does nothing if it is handled already, or if another worker handles one of the same identity: that worker goes
        on with this one. An error is logged and counted. Raises DBAPIError while the database is away.

        A request at a known provider goes before it, if one waits: a flood of sign-ups at other domains does not keep
        it waiting. One that failed, and what the same identity asked for after it, wait for its next try.
        """
        failed = aliased(_R)
        waits = select(failed.id).where(failed.identity_key == _R.identity_key, failed.attempts > 0)
        urgent = self._first(_R.known_provider & ~waits.exists())
        if urgent is not None:
            self._take(urgent)
        first = self._first(_R.identity_key == select(_R.identity_key).where(_R.id == pk).scalar_subquery())
        while first is not None:
            identity = self._take(first)
            first = None if identity is None else self._first(_R.identity_key == identity)

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

    def _first(self, whose: ColumnElement[bool]) -> int | None:
        with reading(self._session) as session:
            return session.scalar(select(func.min(_R.id)).where(whose, ~_R.given_up()))

    def _take(self, pk: int) -> str | None:
        """Handle and delete one request. Return whose it was; None if it is not ours to handle, or raised an error."""
        try:
            with transaction(self._session) as session:
                mine = select(_R).where(_R.id == pk, ~_R.given_up())
                row = session.scalars(mine.with_for_update(skip_locked=True)).one_or_none()
                if row is None:
                    return None
                identity = row.identity_key
                self._decide(session, row)
                session.delete(row)
        except Exception as error:
            # Any error of one request: it must neither stop the others nor be lost with a message.
            if is_outage(error):
                raise
            self._note_failure(pk, error)
            return None
        return identity

    def _decide(self, session: Session, row: AccountRequest) -> None:
        local, _, domain = row.email.rpartition("@")
        address = Address(row.email, row.identity_key, domain, smtputf8=not local.isascii())
        match AccountAction(row.action):
            case AccountAction.signup:
                applicant = Applicant(address, row.display_name, row.locale, row.timezone, row.network)
                self._accounts.register(session, applicant)
            case AccountAction.resend:
                self._accounts.resend(session, address, row.network)

    def _note_failure(self, pk: int, error: Exception) -> None:
        """Count it and say when to try again. Log its type and place only: its text may quote the address."""
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
        """Note that they are enqueued, before they are: a worker may not find a row locked that it was sent for."""
        now = clock.now()
        with transaction(self._session) as session:
            overdue = select(_R.id).where(_R.enqueue_at <= now, ~_R.given_up()).order_by(_R.id)
            # Locked rows are being handled.
            keys = list(session.scalars(overdue.limit(CHUNK).with_for_update(skip_locked=True)))
            if keys:
                _enqueue_at(session, _R.id.in_(keys), now + ENQUEUE_AGAIN)
        return keys


def _enqueue_at(session: Session, which: ColumnElement[bool], moment: object) -> None:
    later = update(_R).where(which).values(enqueue_at=moment)
    session.execute(later.execution_options(synchronize_session=False))
