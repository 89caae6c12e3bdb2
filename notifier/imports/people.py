"""Store imported people, a chunk in a transaction. An import can only weaken what was agreed to.

- An address that was suppressed, or erased, or that opted out, stays so: it is looked up itself, not its person's id.
- A confirmation that the file names counts for new people, for new addresses, and for people who were never asked
  here. It does not count for an address that is suppressed, nor for a person whom we asked and who has not confirmed.
- A confirmation that is stored stays, unless the address changes and the file does not say that the new one is
  confirmed.

What a line does not say stays as it is, so the same file twice changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from notifier import clock
from notifier.consent import by_address, preferences
from notifier.database.keys import among
from notifier.database.listed import ROWS, as_text, insert_new, rows_of
from notifier.imports import standing
from notifier.imports.lines import PersonLine, Problem
from notifier.imports.standing import Standing
from notifier.mail.addresses import abuse_key
from notifier.models import NO_IDENTITY, User, new_nonce

_TABLE = cast("Table", User.__table__)

#: Columns of a person that an import may change.
_CHANGING = (
    "email", "identity_key", "abuse_key", "display_name", "locale", "timezone", "attributes", "verified_at",
    "address_changed_at",
)  # fmt: skip

ERASED_PERSON = "this person was erased"
ERASED_ADDRESS = "this address was erased"
SIGNED_UP = "a person who signed up here has this address"


class Raced(Exception):
    """Another transaction added one of these people meanwhile. Roll back, and store the chunk once more."""


@dataclass(frozen=True, slots=True)
class Responsibility:
    """The word of the person who imports, for people whose line has no date of confirmation."""

    confirmed_at: datetime
    basis: str


@dataclass(slots=True)
class Numbers:
    """What became of the people of some lines."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    #: Of these, people who count as unconfirmed now.
    unconfirmed: int = 0
    #: Of these, people whose date did not count, because of what stands against their address.
    held_back: int = 0
    #: People who were given the opt-outs of their address.
    opted_out: int = 0

    def count(self, others: "Numbers") -> None:
        """Add the numbers of `others`."""
        for each in fields(Numbers):
            setattr(self, each.name, getattr(self, each.name) + getattr(others, each.name))


@dataclass(slots=True)
class Stored(Numbers):
    """What became of a chunk, and which of its lines were refused."""

    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    """A line, the present row of its person, and the columns that they are to have."""

    line: PersonLine
    before: Mapping[str, Any] | None
    after: dict[str, Any]
    is_vouched: bool

    @property
    def opens(self) -> bool:
        """Whether email may go where it did not go before: to another address, or to one that counts as confirmed."""
        if self.before is None or self.before["identity_key"] != self.line.identity_key:
            return True
        return bool(self.before["verified_at"] is None and self.after["verified_at"] is not None)


def store(
    session: Session,
    lines: Sequence[PersonLine],
    *,
    keys: Sequence[str],
    now: datetime,
    responsibility: Responsibility | None = None,
) -> Stored:
    """Store these people, each of whom occurs once. The caller commits.

    Args:
        session: The session, at the beginning of a transaction.
        lines: At most some thousand.
        keys: SECRET_KEYS, by which erased addresses are known.
        now: The moment from which new people are here.
        responsibility: For people whose line has no date.

    Raises:
        Raced: Another transaction added one of them. Nothing is stored after a rollback.
    """
    present = _present(session, lines)
    against = standing.of(session, _uncertain(lines, present, responsibility), keys)
    done, changes = Stored(), []
    for line in lines:
        before = present.get(line.external_id)
        problem = _problem(line, before, against)
        if problem is not None:
            done.problems.append(problem)
            continue
        change = _planned(line, before, against, responsibility)
        done.unconfirmed += change.after["verified_at"] is None
        done.held_back += change.after["verified_at"] is None and _date(line, responsibility) is not None
        changes.append(change)
    _write(session, changes, against, done, now, responsibility)
    return done


def _present(session: Session, lines: Sequence[PersonLine]) -> dict[str, Mapping[str, Any]]:
    """Return the rows of these people, locked until the transaction ends, by external id."""
    names = ("id", "external_id", "erased_at", *_CHANGING)
    mine = among(session, User.external_id, [line.external_id for line in lines])
    query = select(*(_TABLE.c[name] for name in names)).where(mine).order_by(_TABLE.c.id).with_for_update()
    return {row["external_id"]: dict(row) for row in session.execute(query).mappings()}


def _uncertain(
    lines: Sequence[PersonLine], present: Mapping[str, Mapping[str, Any]], responsibility: Responsibility | None
) -> set[str]:
    """Return the addresses for which it matters what stands against them: of lines that may change where email goes."""
    found = set()
    for line in lines:
        row = present.get(line.external_id)
        if row is None or row["identity_key"] != line.identity_key:
            found.add(line.identity_key)
            if row is not None:
                found.add(row["identity_key"])
        elif row["verified_at"] is None and _date(line, responsibility) is not None:
            found.add(line.identity_key)
    return found


def _problem(line: PersonLine, before: Mapping[str, Any] | None, against: Standing) -> Problem | None:
    if before is not None and before["erased_at"] is not None:
        return Problem(line.line, "external_id", ERASED_PERSON)
    if line.identity_key in against.erased:
        return Problem(line.line, "email", ERASED_ADDRESS)
    if line.identity_key in against.signed_up:
        return Problem(line.line, "email", SIGNED_UP)
    return None


def _planned(
    line: PersonLine, before: Mapping[str, Any] | None, against: Standing, responsibility: Responsibility | None
) -> _Change:
    old: Mapping[str, Any] = before or {"display_name": "", "locale": "en", "timezone": "UTC", "attributes": {}}
    confirmed, is_vouched = _confirmed(line, before, against, responsibility)
    # SQLite compares attributes as text, so they are stored in one order.
    attributes = dict(sorted({**old["attributes"], **line.attributes}.items()))
    after = {
        "email": line.email,
        "identity_key": line.identity_key,
        "abuse_key": abuse_key(line.email),
        "display_name": old["display_name"] if line.name is None else line.name,
        "locale": line.locale or old["locale"],
        "timezone": line.timezone or old["timezone"],
        "attributes": attributes,
        "verified_at": confirmed,
        "address_changed_at": _address_changed_at(line, before),
    }
    return _Change(line, before, after, is_vouched)


def _confirmed(
    line: PersonLine, before: Mapping[str, Any] | None, against: Standing, responsibility: Responsibility | None
) -> tuple[datetime | None, bool]:
    """Return since when the person counts as confirmed, and whether only because of the importer's word."""
    stays = before is not None and before["identity_key"] == line.identity_key
    if before is not None and stays and before["verified_at"] is not None:
        return before["verified_at"], False
    date = _date(line, responsibility)
    # A person whom we asked must answer, even if their address is another one now.
    was_asked = before is not None and before["id"] in against.asked_people
    if date is None or was_asked or not against.may_count_as_confirmed(line.identity_key):
        return None, False
    return date, line.confirmed_at is None


def _address_changed_at(line: PersonLine, before: Mapping[str, Any] | None) -> datetime | None:
    """Return when the person's address changed last: the links in emails to the old one still unsubscribe."""
    if before is None or before["identity_key"] in (line.identity_key, NO_IDENTITY):
        return None if before is None else before["address_changed_at"]
    return clock.now()


def _date(line: PersonLine, responsibility: Responsibility | None) -> datetime | None:
    if line.confirmed_at is not None or responsibility is None:
        return line.confirmed_at
    return responsibility.confirmed_at


def _write(
    session: Session,
    changes: Sequence[_Change],
    against: Standing,
    done: Stored,
    now: datetime,
    responsibility: Responsibility | None,
) -> None:
    new = [change for change in changes if change.before is None]
    changed = [change for change in changes if change.before is not None and _differs(change)]
    pks = _insert(session, new, now)
    _update(session, changed)
    pks |= {change.line.external_id: change.before["id"] for change in changed if change.before is not None}
    written = [*new, *changed]
    refused = {
        pks[change.line.external_id]: categories
        for change in written
        if change.opens and (categories := against.refused.get(change.line.identity_key))
    }
    how = preferences.How.imported
    people = dict.fromkeys(sorted(refused))
    done.opted_out = len(preferences.decide_all_of(session, people, False, how=how, now=now, categories=refused))
    unanswered = {
        pks[change.line.external_id]: change.before["identity_key"]
        for change in changed
        if change.before is not None and change.opens and change.before["id"] in against.asked_people
    }
    by_address.record_unanswered(session, unanswered, at=now)
    if responsibility is not None:
        vouched = {pks[change.line.external_id]: change.line.identity_key for change in written if change.is_vouched}
        by_address.record_confirmed(session, vouched, at=responsibility.confirmed_at, basis=responsibility.basis)
    done.created, done.changed = len(new), len(changed)
    done.unchanged = len(changes) - len(written)


def _differs(change: _Change) -> bool:
    return change.before is not None and any(change.before[name] != value for name, value in change.after.items())


def _insert(session: Session, new: Sequence[_Change], now: datetime) -> dict[str, int]:
    if not new:
        return {}
    rows = [
        {"external_id": change.line.external_id, **change.after, "link_nonce": new_nonce(), "created_at": now}
        for change in new
    ]
    # In one order, so that two imports at once do not wait for each other.
    rows.sort(key=lambda row: row["external_id"])
    made = {external_id: pk for pk, external_id in insert_new(session, _TABLE, rows, unique=["external_id"])}
    if len(made) < len(rows):
        raise Raced
    return made


def _update(session: Session, changed: Sequence[_Change]) -> None:
    if not changed:
        return
    rows = [{"id": change.before["id"], **change.after} for change in changed if change.before is not None]
    if session.get_bind().dialect.name == "postgresql":
        listed = rows_of({name: _TABLE.c[name].type for name in ("id", *_CHANGING)})
        values = {name: listed.c[name] for name in _CHANGING}
        session.execute(update(_TABLE).where(_TABLE.c.id == listed.c.id).values(values), {ROWS: as_text(rows)})
        return
    statement = update(_TABLE).where(_TABLE.c.id == bindparam("pk"))
    session.connection().execute(
        statement.values({name: bindparam(f"new_{name}") for name in _CHANGING}),
        [{"pk": row["id"], **{f"new_{name}": row[name] for name in _CHANGING}} for row in rows],
    )
