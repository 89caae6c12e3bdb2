"""Retention: the details of old attempts go, and old entries about the admin; the ledger rows stay."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from notifier import clock, ledger
from notifier.database.transaction import transaction
from notifier.models import (
    AccountRequest,
    Attempt,
    AuditEntry,
    OperatorSession,
    ProviderHold,
    SignupEmail,
    Suppression,
    TaskResult,
)  # fmt: skip
from notifier.operators import audit_log

log = structlog.get_logger(__name__)

#: How long the server's replies of single tries are kept.
KEEP_ATTEMPTS = timedelta(days=90)
#: How long what became of control tasks is kept.
KEEP_TASK_RESULTS = timedelta(days=7)
#: A session of the admin is over long before.
KEEP_SESSIONS = timedelta(days=2)
#: A hold whose probe has been due for so long, because no email goes there.
KEEP_HOLDS = timedelta(hours=1)

#: What the limits of sign-up count; the longest of them looks back a day.
KEEP_SIGNUP_EMAILS = timedelta(days=2)

#: What a form asked for and no worker could handle; it holds an address.
KEEP_ACCOUNT_REQUESTS = timedelta(days=7)

#: Rows deleted in one transaction.
CHUNK = 5000


def purge(session: Callable[[], Session]) -> dict[str, int]:
    """Delete whatever is older than its retention, in short transactions. Returns how many, by what they are."""
    done = {
        "attempts": purge_attempts(session),
        "audit_entries": _older(session, AuditEntry.id, AuditEntry.at, audit_log.KEEP),
        "task_results": _older(session, TaskResult.id, TaskResult.queued_at, KEEP_TASK_RESULTS),
        "sessions": _older(session, OperatorSession.id, OperatorSession.created_at, KEEP_SESSIONS),
        "signup_emails": _older(session, SignupEmail.notification_id, SignupEmail.at, KEEP_SIGNUP_EMAILS),
        "account_requests": _older(session, AccountRequest.id, AccountRequest.created_at, KEEP_ACCOUNT_REQUESTS),
        "suppressions": _older(session, Suppression.id, Suppression.until, timedelta(0)),
        "provider_holds": purge_holds(session),
    }
    if any(done.values()):
        log.info("purge.done", **done)
    return done


def purge_attempts(session: Callable[[], Session]) -> int:
    """Delete attempts older than KEEP_ATTEMPTS, in short transactions. Returns how many."""
    return _older(session, Attempt.id, Attempt.at, KEEP_ATTEMPTS)


def purge_holds(session: Callable[[], Session]) -> int:
    """Delete the holds of providers that no email waits for any more. Return how many.

    The next email there is tried, which is what a probe would do.
    """
    total = 0
    with transaction(session) as current:
        due = select(ProviderHold.key).where(ProviderHold.next_probe_at < clock.now() - KEEP_HOLDS)
        for key in current.scalars(due.limit(CHUNK)).all():
            if not ledger.count_held(current, key, limit=1):
                current.execute(delete(ProviderHold).where(ProviderHold.key == key))
                total += 1
    return total


def _older(
    session: Callable[[], Session],
    key: InstrumentedAttribute[int],
    moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    keep: timedelta,
) -> int:
    before = clock.now() - keep
    total = 0
    while True:
        old = select(key).where(moment < before).order_by(key).limit(CHUNK)
        # By statement, not by object: rows of the audit log refuse to be deleted by any other code.
        statement = delete(key.class_).where(key.in_(old)).execution_options(synchronize_session=False)
        result = cast("CursorResult[Any]", session().execute(statement))
        session().commit()
        total += result.rowcount
        if result.rowcount < CHUNK:
            return total
