"""People of other applications: rows of `notifier_users`, written on the caller's connection, in its transaction."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    any_,
    bindparam,
    case,
    delete,
    false,
    func,
    literal,
    null,
    or_,
    select,
    update,
)  # fmt: skip
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier import clock
from notifier.entries.fields import OURS, UserFields, columns_of
from notifier.models import DETACHED, NO_IDENTITY, User

_TABLE = cast("Table", User.__table__)

#: Columns that the host decides; `verified_at` only if it confirms addresses itself.
MIRRORED: Final = (
    "email", "identity_key", "abuse_key", "display_name", "locale", "timezone", "attributes", "confirms_here",
)  # fmt: skip


#: Begins an external id on its way to a new one, within one transaction. People whom the host deleted have a number
#: behind the tilde.
_MOVING: Final = f"{DETACHED}:"


class Person(NamedTuple):
    """What an email to a person needs."""

    id: int
    external_id: str
    email: str
    identity_key: str
    verified_at: datetime | None
    #: When this person was erased; None: they were not.
    erased_at: datetime | None


#: Built once, because every email that is asked for needs it.
_FIND: Final = select(*(_TABLE.c[name] for name in Person._fields)).where(
    _TABLE.c.external_id == bindparam("b_external_id")
)


def connection_of(session: Session) -> Connection:
    """Return the connection of the session on which our tables are."""
    return session.connection(bind_arguments={"mapper": User})


def session_beside(session: Session) -> Session:
    """Return a session for our tables alone, in the transaction of this one, which commits it or rolls it back.

    Our use cases ask their session for the engine of our tables, which a session with several binds cannot tell.
    """
    return Session(connection_of(session), join_transaction_mode="rollback_only")


def begin_writing(connection: Connection) -> None:
    """Take the lock of SQLite before anything is read that a write depends on; Postgres locks rows instead."""
    if connection.dialect.name == "sqlite":
        connection.execute(update(_TABLE).where(false()).values(locale=_TABLE.c.locale))


def write(connection: Connection, people: Iterable[UserFields], *, allow_local: bool, has_hook: bool = False) -> None:
    """Store these people: one statement, in the order of their ids, so that two transactions cannot deadlock.

    Rows that would not change are not written, nor those of erased people. Raise ValueError for an id or attributes
    that cannot be stored.
    """
    rows: dict[bool, list[dict[str, Any]]] = {}
    now = clock.now()
    for fields in people:
        columns = columns_of(fields, allow_local=allow_local, has_hook=has_hook) | {"b_now": now}
        rows.setdefault(fields.verified_at is OURS, []).append(columns)
    for ours in sorted(rows):
        statement = _upsert(connection.dialect.name, ours)
        connection.execute(statement, sorted(rows[ours], key=lambda row: row["external_id"]))


def add_new(connection: Connection, fields: UserFields, *, allow_local: bool) -> None:
    """Store this person unless one with this id is here already. Raise ValueError as `write` does."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = columns_of(fields, allow_local=allow_local)
    connection.execute(insert(_TABLE).values(values).on_conflict_do_nothing(index_elements=[_TABLE.c.external_id]))


def detach(connection: Connection, external_ids: Collection[str]) -> None:
    """Keep the rows of people whom the host deleted, under an id that no person of the host has.

    What was sent stays explained, an email that waits is still sent, campaigns no longer reach them, and a person who
    gets the same id later is another one. So nothing is kept of an erased person.
    """
    theirs = is_one_of(connection, _TABLE.c.external_id, external_ids)
    connection.execute(delete(_TABLE).where(theirs, _TABLE.c.erased_at.is_not(None)))
    gone = literal(DETACHED) + sql_cast(_TABLE.c.id, String)
    statement = update(_TABLE).where(theirs).values(external_id=gone)
    connection.execute(statement)


def rename(connection: Connection, external_ids: Mapping[str, str]) -> None:
    """Let people keep their rows when the host changes their keys: former external id -> new one.

    In two steps, because two of them may swap their ids. What was sent, consents and an erasure stay with the person.
    """
    for first, second in (("", _MOVING), (_MOVING, "")):
        for former, new in sorted(external_ids.items()):
            before, after = (former, f"{_MOVING}{new}") if second else (f"{first}{new}", new)
            connection.execute(update(_TABLE).where(_TABLE.c.external_id == before).values(external_id=after))


def find(connection: Connection, external_id: str) -> Person | None:
    """Return the person with this id, or what is left of an erased one; None if there is none."""
    row = connection.execute(_FIND, {"b_external_id": external_id}).one_or_none()
    return None if row is None else Person(*row)


def confirmed(connection: Connection, external_ids: Collection[str]) -> dict[str, Person]:
    """Return those of these people who have a confirmed address, locked until the transaction ends."""
    query = select(*(_TABLE.c[name] for name in Person._fields)).where(
        is_one_of(connection, _TABLE.c.external_id, external_ids),
        _TABLE.c.verified_at.is_not(None),
        _TABLE.c.identity_key != NO_IDENTITY,
    )
    found = (Person(*row) for row in connection.execute(query.order_by(_TABLE.c.id).with_for_update()))
    return {person.external_id: person for person in found}


def keys_of(connection: Connection, external_ids: Collection[str]) -> dict[str, int]:
    """Return the key of each of these people who is here and was not erased, by external id."""
    query = select(_TABLE.c.external_id, _TABLE.c.id).where(
        is_one_of(connection, _TABLE.c.external_id, external_ids), _TABLE.c.erased_at.is_(None)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def rows_of(connection: Connection, external_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the key, the mirrored columns and `erased_at` of each of these people who is here, by external id."""
    names = ("external_id", "id", "erased_at", "verified_at", *MIRRORED)
    query = select(*(_TABLE.c[name] for name in names)).where(is_one_of(connection, _TABLE.c.external_id, external_ids))
    return {row[0]: dict(zip(names, row, strict=True)) for row in connection.execute(query)}


def mirrored_after(connection: Connection, pk: int, limit: int) -> list[tuple[int, str]]:
    """Return the key and external id of people of the host, erased ones too, by key, from after this key on."""
    theirs = and_(_TABLE.c.external_id.is_not(None), ~_TABLE.c.external_id.startswith(DETACHED))
    query = select(_TABLE.c.id, _TABLE.c.external_id).where(_TABLE.c.id > pk, theirs).order_by(_TABLE.c.id).limit(limit)
    return [(row[0], row[1]) for row in connection.execute(query)]


def lock(connection: Connection, pks: Collection[int]) -> None:
    """Lock these rows against changes until the transaction ends."""
    mine = is_one_of(connection, _TABLE.c.id, pks)
    connection.execute(select(_TABLE.c.id).where(mine).order_by(_TABLE.c.id).with_for_update())


def addresses_of(connection: Connection, pks: Collection[int]) -> list[tuple[str, str]]:
    """Return the external id and address of each of these people."""
    query = select(_TABLE.c.external_id, _TABLE.c.email).where(is_one_of(connection, _TABLE.c.id, pks))
    return [(row[0], row[1]) for row in connection.execute(query.order_by(_TABLE.c.id))]


def is_one_of(connection: Connection, column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Build the condition with one parameter, however many values there are.

    IN takes one for each: no database takes more than some ten thousand, and the time grows with their square.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, sorted(values), type_=postgresql.ARRAY(column.type)))
    each = func.json_each(json.dumps(sorted(values))).table_valued("value")
    return column.in_(select(each.c.value))


@cache
def _upsert(dialect: str, ours: bool) -> postgresql.Insert | sqlite.Insert:
    """Build the statement. `ours`: notifier confirms addresses, so an address that stays keeps its confirmation."""
    statement = postgresql.insert(_TABLE) if dialect == "postgresql" else sqlite.insert(_TABLE)
    old, new = _TABLE.c, statement.excluded
    values: dict[str, Any] = {name: new[name] for name in MIRRORED}
    if ours:
        moved = old.identity_key.is_distinct_from(new.identity_key)
        values["verified_at"] = case((moved, null()), else_=old.verified_at)
    else:
        values["verified_at"] = new.verified_at
    replaced = and_(old.identity_key != NO_IDENTITY, old.identity_key.is_distinct_from(new.identity_key))
    moment = bindparam("b_now", type_=old.address_changed_at.type)
    changed = or_(*(old[name].is_distinct_from(value) for name, value in values.items()))
    there = and_(old.erased_at.is_(None), changed)
    values["address_changed_at"] = case((replaced, moment), else_=old.address_changed_at)
    return statement.on_conflict_do_update(index_elements=[old.external_id], set_=values, where=there)
