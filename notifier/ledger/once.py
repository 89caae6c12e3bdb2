"""Add a row by INSERT ... ON CONFLICT DO NOTHING, in the transaction of another application.

A conflict raises nothing there, so what that transaction wrote before survives. A second transaction with the same key
waits until the first one has ended.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Executable, bindparam, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.ledger.rows import Why
from notifier.ledger.telling import AtRest, tell
from notifier.models import Notification, OnUnknown, Status, User
from notifier.reasons import ReasonCode

#: The session may bind several bases to engines; it must not flush, because it may be flushing.
_BIND: dict[str, Any] = {"mapper": Notification}
_FRESH = {"populate_existing": True}

#: What every row begins with, besides what the caller gives and what comes from the person.
_BEGINNING: Mapping[str, Any] = {
    "bulk": False,
    "on_unknown": OnUnknown.resend.value,
    "claims": 0,
    "attempts": 0,
    "unknowns": 0,
}
_GIVEN = (
    "kind", "dedupe_key", "params", "created_at", "next_attempt_at", "enqueue_at", "deadline",
    "status", "reason_code", "reason", "settled_at",
)  # fmt: skip


def add_once(
    session: Session,
    external_id: str,
    *,
    recipient: str | None,
    kind: str,
    dedupe_key: str,
    params: dict[str, Any],
    now: datetime,
    due: datetime,
    enqueue_at: datetime,
    deadline: datetime,
    skip: Why | None = None,
) -> Notification | None:
    """Add the row of an email to the person with this external id. It neither flushes nor commits.

    Return None if the key is taken, or if no email can be sent to this person. `recipient`: another address of
    theirs. `enqueue_at` is when the sweep enqueues the row, `due` when it may be sent. `skip`: why the row is stored as
    skipped or suppressed at once, also if no email can be sent to this person.
    """
    values = {
        "external_id": external_id,
        "elsewhere": recipient,
        "kind": kind,
        "dedupe_key": dedupe_key,
        "params": params,
        "created_at": now,
        "next_attempt_at": due,
        "enqueue_at": enqueue_at,
        "deadline": deadline,
        "status": _status(skip).value,
        "reason_code": skip and skip["reason_code"],
        "reason": skip and skip["reason"],
        "settled_at": now if skip else None,
        "skipped": skip is not None,
    } | dict(_BEGINNING)
    statement = _statement(session.get_bind(mapper=Notification).dialect.name)
    with session.no_autoflush:
        added: Notification | None = session.scalars(
            statement, values, bind_arguments=_BIND, execution_options=_FRESH
        ).one_or_none()
        if added is not None and skip is not None:
            tell(session, [AtRest(added.id, _status(skip), skip["reason_code"])], now=now)
        return added


def _status(skip: Why | None) -> Status:
    if skip is None:
        return Status.pending
    return Status.suppressed if skip["reason_code"] == ReasonCode.suppressed else Status.skipped


def with_key(session: Session, dedupe_key: str) -> Notification | None:
    """Return the row with this key, as it is stored; None if this transaction sees none."""
    known = select(Notification).where(Notification.dedupe_key == dedupe_key)
    with session.no_autoflush:
        return session.scalars(known, bind_arguments=_BIND, execution_options=_FRESH).one_or_none()


@cache
def _statement(dialect: str) -> Executable:
    """Build the statement, which finds the person, too: one round trip, and nothing to build for each email."""
    given = [getattr(Notification, name) for name in (*_GIVEN, *_BEGINNING)]
    elsewhere = bindparam("elsewhere", type_=Notification.recipient.type)
    filling = (bindparam(each.key, type_=each.type) for each in given)
    person = select(User.id, func.coalesce(elsewhere, User.email), *filling).where(
        User.external_id == bindparam("external_id"),
        User.is_person(),
        or_(User.has_address(), elsewhere.is_not(None), bindparam("skipped", type_=Boolean())),
    )
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(Notification)
    columns = [Notification.user_id, Notification.recipient, *given]
    filled = insert.from_select(columns, person, include_defaults=False)
    once = filled.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]).returning(Notification)
    # Given to the session by itself, it would take the parameters for attributes of rows.
    return select(Notification).from_statement(once)
