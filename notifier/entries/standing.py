"""What stands against an email at the moment when it is asked for.

A worker asks again before it sends. But a program that asks for an email which cannot go learns of it at once.
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection, Select, Table, bindparam, func, select

from notifier import clock, ledger
from notifier.consent import preferences
from notifier.emails import EmailKind
from notifier.entries.people import Person, is_one_of
from notifier.models import Suppression, User
from notifier.reasons import ReasonCode

_ID: Final = cast("Table", User.__table__).c.external_id
_PERSON: Final = tuple(getattr(User, name) for name in Person._fields)


class Standing(NamedTuple):
    """A person, and what is known that stands against emails to them."""

    person: Person
    #: Why their address is suppressed; None: it is not, or was.
    suppressed: str | None
    #: When that ends by itself; None: never.
    until: datetime | None
    #: Categories that they unsubscribed from, of those that were asked about.
    refused: frozenset[str]

    def reason_against(self, kind: EmailKind) -> ledger.Why | None:
        """Return why this person gets no email of this kind now; None if they do.

        They are suppressed, unsubscribed from its category, or not confirmed while the kind is not for unknown
        addresses.
        """
        if self.suppressed is not None and (self.until is None or clock.now() < self.until):
            return ledger.why(ReasonCode.suppressed, why=self.suppressed)
        if self.person.verified_at is None and not kind.first_email:
            return ledger.why(ReasonCode.not_confirmed)
        if kind.category in self.refused:
            why = f"they unsubscribed from {preferences.NAMES[kind.category]}"
            return ledger.why(ReasonCode.excluded, why=why)
        return None


def find(connection: Connection, external_id: str, kind: EmailKind, *, wait_ms: int | None = None) -> Standing | None:
    """Return the person with this id, or what is left of an erased one; None if there is none. In one statement.

    `wait_ms`: milliseconds for which the transaction waits for a lock from then on; Postgres only, and only if the
    person is there.
    """
    categories = _refusable([kind])
    waits = wait_ms is not None and connection.dialect.name == "postgresql"
    given = {"b_external_id": external_id} | ({"b_wait": str(wait_ms)} if waits else {})
    row = connection.execute(_of_one(categories, waits), given).one_or_none()
    return None if row is None else _read(row, categories)


def find_many(
    connection: Connection, external_ids: Collection[str], kinds: Collection[EmailKind]
) -> dict[str, Standing]:
    """Return those of these people who are here, by external id. In one statement, for all these kinds."""
    categories = _refusable(kinds)
    query = _selected(categories).where(is_one_of(connection, _ID, external_ids))
    found = (_read(row, categories) for row in connection.execute(query))
    return {each.person.external_id: each for each in found}


def _refusable(kinds: Collection[EmailKind]) -> tuple[str, ...]:
    return tuple(sorted({kind.category for kind in kinds} - preferences.ALWAYS))


def _selected(categories: tuple[str, ...]) -> Select[Any]:
    """Build the query of everything about people, one column for each category."""
    columns = (*_PERSON, Suppression.reason, Suppression.until, *map(preferences.refused, categories))
    return select(*columns).outerjoin_from(User, Suppression, Suppression.identity_key == User.identity_key)


@cache
def _of_one(categories: tuple[str, ...], waits: bool) -> Select[Any]:
    """Build the query once, because every email that is asked for needs it."""
    query = _selected(categories).where(User.external_id == bindparam("b_external_id"))
    # In the same statement: another one would take as long as this.
    return query.add_columns(func.set_config("lock_timeout", bindparam("b_wait"), True)) if waits else query


def _read(row: Any, categories: tuple[str, ...]) -> Standing:
    reason, until, *refused = row[len(_PERSON) : len(_PERSON) + 2 + len(categories)]
    pairs = zip(categories, refused, strict=True)
    return Standing(
        Person(*row[: len(_PERSON)]), reason, until, frozenset(name for name, is_refused in pairs if is_refused)
    )
