"""Retention: delete old details of attempts and other rows past their retention; ledger rows stay."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import ColumnElement, CursorResult, TextClause, and_, delete, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from notifier import clock, ledger
from notifier.database.transaction import transaction
from notifier.emails.kind import SEALED
from notifier.models import (
    UNASSIGNED,
    AccountRequest,
    Attempt,
    AuditEntry,
    Event,
    Feedback,
    KeptForm,
    Notification,
    OperatorLink,
    OperatorSession,
    ProviderHold,
    SignupEmail,
    Status,
    Suppression,
    TaskResult,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookToken,
)  # fmt: skip
from notifier.operators import audit_log, kept_forms

log = structlog.get_logger(__name__)

#: Retention of attempts, which hold the servers' replies.
KEEP_ATTEMPTS = timedelta(days=90)
#: Retention of the results of control tasks, unless `TASK_RESULTS_KEPT` says otherwise.
KEEP_TASK_RESULTS = timedelta(days=7)
#: Retention of admin sessions, which have ended long before.
KEEP_SESSIONS = timedelta(days=2)
#: Time that a hold's probe may be overdue, because no email goes there.
KEEP_HOLDS = timedelta(hours=1)

#: Retention of what sign-up limits count; the longest limit looks back a day.
KEEP_SIGNUP_EMAILS = timedelta(days=2)

#: Retention of tokens of webhooks. Older ones are refused for their age (`inbound/mailgun.py`).
KEEP_WEBHOOK_TOKENS = timedelta(days=1)

#: Retention of form requests that no worker could handle; they hold an address.
KEEP_ACCOUNT_REQUESTS = timedelta(days=7)

#: Retention of what came back about known emails, and of what waits for an operator.
KEEP_FEEDBACK = timedelta(days=400)
KEEP_TRAY = timedelta(days=30)

#: Retention of the feed of events, and of what endpoints of webhooks were sent.
KEEP_EVENTS = timedelta(days=30)

#: Secret data are deleted at the first purge after their email came to rest; this long, a purge that failed is made up.
SECRETS_WINDOW = timedelta(days=2)

#: Statuses of emails that may still be sent.
_MAY_GO = (Status.pending, Status.sending, Status.unknown)

#: Rows deleted in one transaction.
CHUNK = 5000


def purge(session: Callable[[], Session], *, task_results: timedelta = KEEP_TASK_RESULTS) -> dict[str, int]:
    """Delete rows past their retention, in short transactions. Return the counts by kind of row.

    `task_results`: the retention of the results of control tasks.
    """
    done = {
        "attempts": purge_attempts(session),
        "audit_entries": _older(session, AuditEntry.id, AuditEntry.at, audit_log.KEEP),
        "task_results": _older(session, TaskResult.id, TaskResult.queued_at, task_results),
        "sessions": _older(session, OperatorSession.id, OperatorSession.created_at, KEEP_SESSIONS),
        "operator_links": _older(session, OperatorLink.id, OperatorLink.expires_at, timedelta(0)),
        "kept_forms": _older(session, KeptForm.id, KeptForm.created_at, kept_forms.KEEP),
        "signup_emails": _older(session, SignupEmail.notification_id, SignupEmail.at, KEEP_SIGNUP_EMAILS),
        "account_requests": _older(session, AccountRequest.id, AccountRequest.created_at, KEEP_ACCOUNT_REQUESTS),
        "webhook_tokens": _older(session, WebhookToken.token, WebhookToken.at, KEEP_WEBHOOK_TOKENS),
        "suppressions": _older(session, Suppression.id, Suppression.until, timedelta(0)),
        "provider_holds": purge_holds(session),
        "secrets": purge_secrets(session),
        "events": purge_events(session),
        "feedback": _older(session, Feedback.id, Feedback.received_at, KEEP_FEEDBACK),
        "unassigned_feedback": _older(session, Feedback.id, Feedback.received_at, KEEP_TRAY, text(UNASSIGNED)),
    }
    if any(done.values()):
        log.info("purge.done", **done)
    return done


def purge_attempts(session: Callable[[], Session]) -> int:
    """Delete attempts older than KEEP_ATTEMPTS, in short transactions. Return how many."""
    return _older(session, Attempt.id, Attempt.at, KEEP_ATTEMPTS)


def purge_secrets(session: Callable[[], Session]) -> int:
    """Delete the sealed data of emails that came to rest, in short transactions. Return of how many.

    An email whose delivery is uncertain keeps them until its deadline, because it may be sent again.
    """
    now = clock.now()
    over = and_(Notification.status == Status.unknown, Notification.deadline < now)
    settled = and_(Notification.settled_at > now - SECRETS_WINDOW, Notification.status.not_in(_MAY_GO))
    sealed = Notification.params[SEALED].as_string().is_not(None)
    return sum(_without_secrets(session, and_(done, sealed)) for done in (over, settled))


def _without_secrets(session: Callable[[], Session], where: ColumnElement[bool]) -> int:
    total = 0
    while True:
        found = session().execute(select(Notification.id, Notification.params).where(where).limit(CHUNK)).all()
        for pk, params in found:
            rest = {name: value for name, value in params.items() if name != SEALED}
            statement = update(Notification).where(Notification.id == pk, where).values(params=rest)
            session().execute(statement.execution_options(synchronize_session=False))
        session().commit()
        total += len(found)
        if len(found) < CHUNK:
            return total


def purge_holds(session: Callable[[], Session]) -> int:
    """Delete holds of providers that no email waits for. Return how many.

    The next email there is tried, as a probe would be.
    """
    total = 0
    with transaction(session) as current:
        due = select(ProviderHold.key).where(ProviderHold.next_probe_at < clock.now() - KEEP_HOLDS)
        for key in current.scalars(due.limit(CHUNK)).all():
            if not ledger.count_held(current, key, limit=1):
                current.execute(delete(ProviderHold).where(ProviderHold.key == key))
                total += 1
    return total


def purge_events(session: Callable[[], Session]) -> int:
    """Delete old events, and first their deliveries. Return how many events.

    Both go by the id, which grows with the time of publishing: no index on the time is needed.
    """
    before, total = clock.now() - KEEP_EVENTS, 0
    while True:
        oldest = select(Event.id, Event.published_at).order_by(Event.id).limit(CHUNK)
        gone = [pk for pk, at in session().execute(oldest) if at < before]
        if gone:
            for endpoint_id in session().scalars(select(WebhookEndpoint.id)).all():
                mine = (WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.event_id <= gone[-1])
                session().execute(delete(WebhookDelivery).where(*mine).execution_options(synchronize_session=False))
            old = delete(Event).where(Event.id <= gone[-1])
            session().execute(old.execution_options(synchronize_session=False))
        session().commit()
        total += len(gone)
        if len(gone) < CHUNK:
            return total


def _older(
    session: Callable[[], Session],
    key: InstrumentedAttribute[int] | InstrumentedAttribute[str],
    moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    keep: timedelta,
    *conditions: ColumnElement[bool] | TextClause,
) -> int:
    before = clock.now() - keep
    total = 0
    while True:
        old = select(key).where(moment < before, *conditions).order_by(key).limit(CHUNK)
        # By statement, not by object: rows of the audit log cannot be deleted by any other code.
        statement = delete(key.class_).where(key.in_(old)).execution_options(synchronize_session=False)
        result = cast("CursorResult[Any]", session().execute(statement))
        session().commit()
        total += result.rowcount
        if result.rowcount < CHUNK:
            return total
