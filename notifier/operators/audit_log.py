"""The audit log: who changed what, and who saw whose address.

An entry about a change is written in the transaction of the change, so neither exists without the other. No entry holds
an address: operators and people are named by id, and the address that an entry is about by a keyed digest. A person who
knows an address can find all entries about it, and erasing a person leaves nothing to erase here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.keys import among
from notifier.models import AuditEntry, Operator
from notifier.security.digests import keyed_digest
from notifier.security.redaction import MAY_HOLD_ADDRESS, without_addresses

#: How long entries are kept.
KEEP = timedelta(days=365)

#: Characters after which texts are cut: an entry says what changed, it is not a copy.
MAX_TEXT = 500

#: Names of values that are never stored.
_SECRET = ("password", "secret", "token", "code_hash", "nonce")

#: The action of the entry that an erasure leaves.
ERASED = "person.erased"
#: The action of the entry that a corrected address leaves, about the former address.
CORRECTED = "person.address_corrected"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `name` is stored in the log and holds no address; for operators see `operator`."""

    name: str
    operator_id: int | None = None
    ip: str = ""
    #: The operator's address, for pages and reasons of rows; never stored in the log.
    address: str = ""

    @property
    def shown(self) -> str:
        """The text for people: the address, or the name if there is none."""
        return self.address or self.name


COMMAND_LINE = Actor("command line")
SYSTEM = Actor("notifier")
#: The application that embeds us.
HOST = Actor("application")


def operator(known: Operator, ip: str = "") -> Actor:
    """Return this operator, at the IP address `ip`."""
    return Actor(f"operator {known.id}", known.id, ip, known.email)


@dataclass(frozen=True, slots=True)
class About:
    """The address that an entry is about, as a digest."""

    digest: str

    @classmethod
    def address(cls, identity_key: str, keys: Sequence[str]) -> "About":
        """Digest an address with the newest of `keys`, which go from oldest to newest, as in SECRET_KEYS."""
        return cls(_digest(identity_key, keys[-1]))


def is_about(identity_key: str, keys: Sequence[str]) -> ColumnElement[bool]:
    """Build the condition for entries about this address, written while any of `keys` (SECRET_KEYS) was the newest."""
    return AuditEntry.person_digest.in_([_digest(identity_key, key) for key in keys])


def _digest(identity_key: str, key: str) -> str:
    return keyed_digest("notifier.audit", key, identity_key)


def erased_at(session: Session, identity_key: str, keys: Sequence[str]) -> datetime | None:
    """Return when this address was last erased; None if it never was, or longer ago than KEEP."""
    return _newest(session, is_about(identity_key, keys))


def erased_among(session: Session, identity_keys: Collection[str], keys: Sequence[str]) -> set[str]:
    """Return which of these addresses were erased within KEEP. `keys` as in SECRET_KEYS."""
    digests = {_digest(identity_key, key): identity_key for identity_key in identity_keys for key in keys}
    entries = select(AuditEntry.person_digest).where(
        among(session, AuditEntry.person_digest, [*digests]), AuditEntry.action == ERASED
    )
    return {digests[each] for each in session.scalars(entries) if each is not None}


def erased_at_by_id(session: Session, user_id: int) -> datetime | None:
    """Return when the person with this id was erased; None if they were not, or longer ago than KEEP."""
    return _newest(session, (AuditEntry.object_type == "person") & (AuditEntry.object_id == str(user_id)))


def erasures_under(session: Session, references: Collection[str], limit: int) -> list[AuditEntry]:
    """Return the erasures with one of these references, such as the number of a ticket, the newest first."""
    reference = AuditEntry.after["reference"].as_string()
    mine = select(AuditEntry).where(AuditEntry.action == ERASED, reference.in_(sorted(references)))
    return list(session.scalars(mine.order_by(AuditEntry.id.desc()).limit(limit)))


def erased_person(session: Session, identity_key: str, keys: Sequence[str]) -> int | None:
    """Return the number of the last person who was erased with this address; None if it had no account."""
    mine = (is_about(identity_key, keys), AuditEntry.action == ERASED, AuditEntry.object_id != "")
    found = session.scalar(select(AuditEntry.object_id).where(*mine).order_by(AuditEntry.id.desc()).limit(1))
    return None if found is None else int(found)


def corrected_from(session: Session, identity_key: str, keys: Sequence[str]) -> list[int]:
    """Return the numbers of the people whose address operators corrected within KEEP, and who had this one before."""
    mine = (is_about(identity_key, keys), AuditEntry.action == CORRECTED)
    return sorted({int(each) for each in session.scalars(select(AuditEntry.object_id).where(*mine))})


def erasure_of(session: Session, user_id: int) -> AuditEntry | None:
    """Return the entry of the erasure of the person with this number; None if there is none, or it is over KEEP."""
    mine = (AuditEntry.object_type == "person", AuditEntry.object_id == str(user_id), AuditEntry.action == ERASED)
    return session.scalars(select(AuditEntry).where(*mine).order_by(AuditEntry.id.desc()).limit(1)).first()


def _newest(session: Session, which: ColumnElement[bool]) -> datetime | None:
    query = select(AuditEntry.at).where(which, AuditEntry.action == ERASED).order_by(AuditEntry.id.desc())
    return session.scalar(query.limit(1))


def addresses_of(session: Session, entries: Collection[AuditEntry]) -> dict[int, str]:
    """Return the present addresses of the operators of these entries, by key."""
    pks = {entry.operator_id for entry in entries if entry.operator_id is not None}
    operators = session.scalars(select(Operator).where(Operator.id.in_(pks))) if pks else ()
    return {known.id: known.email for known in operators}


def actions(session: Session) -> list[str]:
    """Return the actions of all entries, sorted.

    There are a few dozen, beside any number of entries: each is looked up in the index as the next after the one before
    it. DISTINCT would read every entry.
    """
    first = select(func.min(AuditEntry.action).label("action")).cte("actions", recursive=True)
    following = select(func.min(AuditEntry.action)).where(AuditEntry.action > first.c.action).scalar_subquery()
    found = first.union_all(select(following).where(first.c.action.is_not(None)))
    query = select(found.c.action).where(found.c.action.is_not(None)).order_by(found.c.action)
    return list(session.scalars(query))


def count_about(session: Session, object_type: str, object_id: int) -> int:
    """Return the number of entries about an object."""
    mine = (AuditEntry.object_type == object_type, AuditEntry.object_id == str(object_id))
    return session.scalar(select(func.count()).select_from(AuditEntry).where(*mine)) or 0


def record(
    session: Session,
    by: Actor,
    action: str,
    *,
    object_type: str = "",
    object_id: object = "",
    about: About | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record that `by` did `action` ("suppression.lifted") to an object. The caller commits both together.

    `before` and `after` are plain values by field. Values equal in both, and secrets, are left out; addresses in them
    are replaced. `about`: the address that it concerns.
    """
    old, new = dict(before or {}), dict(after or {})
    same = {name for name in old if name in new and old[name] == new[name]}
    session.add(
        AuditEntry(
            at=clock.now(),
            operator_id=by.operator_id,
            actor=_clean(by.name),
            ip=by.ip,
            action=action,
            object_type=object_type,
            object_id=_clean(str(object_id)),
            person_digest=about.digest if about else None,
            before=_plain(old, same),
            after=_plain(new, same),
        )
    )


def _clean(text: str) -> str:
    """Return the text without addresses. Most texts of an entry are short and hold none."""
    return without_addresses(text) if MAY_HOLD_ADDRESS.search(text) else text


def _plain(values: Mapping[str, Any], leave_out: set[str]) -> dict[str, Any]:
    return {
        _clean(name): _short(value)
        for name, value in values.items()
        if name not in leave_out and not any(word in name for word in _SECRET)
    }


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_clean(str(name)): _short(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value[:100]]
    text = _clean(str(value))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
