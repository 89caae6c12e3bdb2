"""Add a row by INSERT ... ON CONFLICT DO NOTHING, in the transaction of another application.

A conflict raises nothing there, so what that transaction wrote before survives. A second transaction with the same key
waits until the first one has ended.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import JSON, Boolean, Executable, Text, bindparam, cast, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.database import listed
from notifier.database.keys import among
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
    "kind", "dedupe_key", "params", "created_at", "next_attempt_at", "enqueue_at", "owed_at", "deadline",
    "status", "reason_code", "reason", "settled_at",
)  # fmt: skip


class Once(NamedTuple):
    """What the row of an email to one person is made of."""

    external_id: str
    #: Another address of theirs; None: the one of their row.
    recipient: str | None
    kind: str
    dedupe_key: str
    params: dict[str, Any]
    now: datetime
    #: When it may be sent, and when the sweep enqueues it.
    due: datetime
    enqueue_at: datetime
    deadline: datetime
    #: Why it is stored as skipped or suppressed at once, also if no email can be sent to this person.
    skip: Why | None

    def values(self) -> dict[str, Any]:
        """Return the parameters of the statement."""
        skip = self.skip
        return {
            "external_id": self.external_id,
            "elsewhere": self.recipient,
            "kind": self.kind,
            "dedupe_key": self.dedupe_key,
            "params": self.params,
            "created_at": self.now,
            "next_attempt_at": self.due,
            "enqueue_at": self.enqueue_at,
            "owed_at": self.due,
            "deadline": self.deadline,
            "status": _status(skip).value,
            "reason_code": skip and skip["reason_code"],
            "reason": skip and skip["reason"],
            "settled_at": self.now if skip else None,
            "skipped": skip is not None,
        }


def add_once(session: Session, once: Once) -> Notification | None:
    """Add the row of an email. It neither flushes nor commits.

    Return None if the key is taken, or if no email can be sent to this person.
    """
    statement = _statement(session.get_bind(mapper=Notification).dialect.name)
    with session.no_autoflush:
        added: Notification | None = session.scalars(
            statement, once.values() | dict(_BEGINNING), bind_arguments=_BIND, execution_options=_FRESH
        ).one_or_none()
        _tell(session, [] if added is None else [added], once.now)
        return added


def add_many_once(session: Session, many: Sequence[Once]) -> Sequence[Notification]:
    """Add the rows of many emails by one statement, on Postgres, in the order of their keys. Return those added.

    It leaves out what `add_once` does, and a key that occurs again among them.
    """
    rows = [once.values() | {"params": json.dumps(once.params)} for once in many]
    rows.sort(key=lambda row: row["dedupe_key"])
    text = {listed.ROWS: listed.as_text(rows)}
    with session.no_autoflush:
        added = session.scalars(_of_many(), text, bind_arguments=_BIND, execution_options=_FRESH).all()
        _tell(session, added, many[0].now if many else None)
        return added


def _tell(session: Session, added: Sequence[Notification], now: datetime | None) -> None:
    """Tell endpoints of the rows that came to rest at once."""
    rested = [AtRest(row.id, Status(row.status), row.reason_code) for row in added if row.status != Status.pending]
    if rested and now is not None:
        tell(session, rested, now=now)


def _status(skip: Why | None) -> Status:
    if skip is None:
        return Status.pending
    return Status.suppressed if skip["reason_code"] == ReasonCode.suppressed else Status.skipped


def with_key(session: Session, dedupe_key: str) -> Notification | None:
    """Return the row with this key, as it is stored; None if this transaction sees none."""
    known = select(Notification).where(Notification.dedupe_key == dedupe_key)
    with session.no_autoflush:
        return session.scalars(known, bind_arguments=_BIND, execution_options=_FRESH).one_or_none()


def with_keys(session: Session, dedupe_keys: Collection[str]) -> Sequence[Notification]:
    """Return the rows with these keys that this transaction sees."""
    known = select(Notification).where(among(session, Notification.dedupe_key, dedupe_keys))
    with session.no_autoflush:
        return session.scalars(known, bind_arguments=_BIND, execution_options=_FRESH).all()


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


@cache
def _of_many() -> Executable:
    """Build the statement for many rows, which come as one JSON text."""
    given = [getattr(Notification, name) for name in _GIVEN]
    types = {each.key: each.type for each in given} | {"external_id": Text(), "elsewhere": Text(), "skipped": Boolean()}
    # As a text, because the type of the whole would change the order of its keys.
    rows = listed.rows_of(types | {"params": Text()}).c
    filling = (cast(rows[each.key], JSON()) if each.key == "params" else rows[each.key] for each in given)
    beginning = (literal(value).label(name) for name, value in _BEGINNING.items())
    person = (
        select(User.id, func.coalesce(rows.elsewhere, User.email), *filling, *beginning)
        .where(User.external_id == rows.external_id, User.is_person())
        .where(or_(User.has_address(), rows.elsewhere.is_not(None), rows.skipped))
        .order_by(rows.dedupe_key)
    )
    columns = [
        Notification.user_id,
        Notification.recipient,
        *given,
        *(getattr(Notification, name) for name in _BEGINNING),
    ]
    filled = postgresql.insert(Notification).from_select(columns, person, include_defaults=False)
    once = filled.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]).returning(Notification)
    return select(Notification).from_statement(once)
