"""Suppress addresses to which no email may be sent; sending asks by address, right before each email.

Of an erased address only a keyed digest is kept. It becomes the plain address again if the same address signs up
again, so that a person who complained gets no email because of a new account.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.keys import among
from notifier.database.listed import insert_new
from notifier.events import EventType, record
from notifier.models import Suppression, SuppressionReason, User
from notifier.security.digests import keyed_digest

_TABLE = cast("Any", Suppression.__table__)

#: Built once: a sign-up waits for it.
_ANY: Final = select(Suppression.id).where(Suppression.identity_key.in_(bindparam("names", expanding=True))).limit(1)

#: People that one event names.
MOST_USERS = 20

#: Begins the replacement of an erased address; no address begins with it.
CONCEALED = "erased:"


def find(session: Session, identity_key: str) -> Suppression | None:
    """Return the suppression of this address, or None."""
    return session.scalars(select(Suppression).where(Suppression.identity_key == identity_key)).one_or_none()


def lift(session: Session, suppression: Suppression) -> None:
    """Delete a suppression, so that its address can get email again. The caller commits and adds to the audit log."""
    facts = {"id": suppression.id, "reason": suppression.reason, "users": users_of(session, suppression.identity_key)}
    session.delete(suppression)
    session.flush()
    record(session, [(EventType.suppression_lifted, facts)], at=clock.now())


def users_of(session: Session, identity_key: str) -> list[dict[str, Any]]:
    """Return the ids of the people with this address, for an event; at most MOST_USERS of a shared mailbox."""
    query = select(User.id, User.external_id).where(User.identity_key == identity_key).order_by(User.id)
    found = session.execute(query.limit(MOST_USERS))
    return [{"id": pk, "external_id": external_id} for pk, external_id in found]


def conceal(session: Session, identity_key: str, keys: Sequence[str]) -> None:
    """Replace the address of its suppression, if there is one, by a digest. The caller commits.

    If the address was erased and suppressed before, the stronger one of the two stays.
    """
    found = find(session, identity_key)
    if found is None:
        return
    former = _concealed_one(session, identity_key, keys)
    if former is None:
        found.identity_key = concealed(identity_key, keys[-1])
    else:
        values = {name: getattr(found, name) for name in _STRENGTH}
        # First, because a link belongs to one suppression.
        lift(session, found)
        _replaced(former, values)
        found = former
    found.evidence, found.reply = "", None
    session.flush()


def is_kept(session: Session, identity_key: str, keys: Sequence[str]) -> bool:
    """Return whether this address is suppressed, plainly or concealed. `keys` as in SECRET_KEYS."""
    return find(session, identity_key) is not None or _concealed_one(session, identity_key, keys) is not None


def erased_among(session: Session, identity_keys: Collection[str], keys: Sequence[str]) -> set[str]:
    """Return which of these addresses were erased and are suppressed all the same. `keys` as in SECRET_KEYS."""
    digests = {concealed(identity_key, key): identity_key for identity_key in identity_keys for key in keys}
    found = session.scalars(
        select(Suppression.identity_key).where(among(session, Suppression.identity_key, [*digests]))
    )
    return {digests[each] for each in found}


def present_among(session: Session, identity_keys: Collection[str]) -> set[str]:
    """Return which of these addresses are suppressed."""
    query = select(Suppression.identity_key).where(among(session, Suppression.identity_key, identity_keys))
    return set(session.scalars(query))


def reveal(session: Session, identity_key: str, keys: Sequence[str]) -> None:
    """Restore the address of a concealed suppression, because the address is back. The caller commits.

    `keys` are ordered as in SECRET_KEYS.
    """
    found = _concealed_one(session, identity_key, keys)
    if found is not None and find(session, identity_key) is None:
        found.identity_key = identity_key
        session.flush()


def of_new_account(session: Session, identity_key: str, keys: Sequence[str], now: datetime) -> None:
    """Restore a concealed suppression of this address, and end one that has expired. The caller commits.

    Most addresses have none, so that one query is all.
    """
    names = [identity_key, *(concealed(identity_key, key) for key in keys)]
    if session.scalar(_ANY, {"names": names}) is not None:
        reveal(session, identity_key, keys)
        end(session, identity_key, now)


def _concealed_one(session: Session, identity_key: str, keys: Sequence[str]) -> Suppression | None:
    digests = [concealed(identity_key, key) for key in keys]
    return session.scalars(select(Suppression).where(Suppression.identity_key.in_(digests)).limit(1)).first()


def concealed(identity_key: str, key: str) -> str:
    """Return what stands for an erased address. `key`: one of SECRET_KEYS."""
    return CONCEALED + keyed_digest("notifier.suppression", key, identity_key)


def end(session: Session, identity_key: str, now: datetime) -> None:
    """Delete the suppression of this address if it has expired; the purge does so for all. The caller commits."""
    over = delete(Suppression).where(Suppression.identity_key == identity_key, Suppression.until <= now)
    session.execute(over.execution_options(synchronize_session=False))


def of_link(session: Session, link: str) -> Suppression | None:
    """Return the suppression that the link with this fingerprint made, or None."""
    return session.scalars(select(Suppression).where(Suppression.link == link)).one_or_none()


@dataclass(frozen=True, slots=True)
class Said:
    """What a remote server said when an address was suppressed, so that later rules can judge it again."""

    code: int | None
    enhanced: str | None
    #: Its text as it was said: it may quote the address, so it is deleted when the address is erased.
    reply: str
    #: `bounces.reasons.RULES` at that moment.
    rule_version: int
    #: The Feedback that reported it; None for a reply that we got ourselves.
    feedback_id: int | None = None


#: Which reason stays if there are several, the strongest last.
_ORDER = (
    SuppressionReason.soft_bounces,
    SuppressionReason.hard_bounce,
    SuppressionReason.not_me,
    SuppressionReason.manual,
    SuppressionReason.complaint,
)


#: The columns that a stronger suppression replaces.
_STRENGTH = (
    "reason", "source", "evidence", "until", "link", "code", "enhanced", "reply", "rule_version", "feedback_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class New:
    """An address to suppress, and why."""

    identity_key: str
    reason: SuppressionReason
    source: str
    evidence: str
    #: When the suppression ends by itself.
    until: datetime | None = None
    #: The fingerprint of the link that made it, by which it can be undone.
    link: str | None = None
    #: What the remote server said.
    said: Said | None = None
    #: Since when the address is suppressed; None: from now on.
    since: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns of its row."""
        values: dict[str, Any] = {
            "reason": self.reason.value, "source": self.source, "evidence": self.evidence[:500], "until": self.until,
            "link": self.link, "code": None, "enhanced": None, "reply": None, "rule_version": None, "feedback_id": None,
        }  # fmt: skip
        return values | (asdict(self.said) if self.said is not None else {})

    def facts(self, pk: int) -> dict[str, Any]:
        """Return what an event says about it; `pk` is the key of its row."""
        until = self.until.isoformat() if self.until is not None else None
        return {"id": pk, "reason": self.reason.value, "source": self.source, "until": until}


def add(
    session: Session,
    identity_key: str,
    *,
    reason: SuppressionReason,
    source: str,
    evidence: str,
    until: datetime | None = None,
    link: str | None = None,
    said: Said | None = None,
) -> bool:
    """Suppress this address. Return False if it already is, for a reason that stays. The caller commits.

    A stronger reason replaces a weaker one: a complaint replaces all others. Nothing that ends by itself replaces what
    lasts, and what lasts replaces what would end by itself.

    Args:
        until: When the suppression ends by itself.
        link: The fingerprint of the link that made it, by which it can be undone.
        said: What the remote server said.
    """
    return bool(add_all(session, [New(identity_key, reason, source, evidence, until, link, said)]))


def add_all(session: Session, new: Sequence[New]) -> set[str]:
    """Do as `add` for these addresses, each of which occurs once. Return those that have the new reason."""
    if not new:
        return set()
    now = clock.now()
    rows = [{"identity_key": each.identity_key, "created_at": each.since or now, **each.values()} for each in new]
    told = {identity_key: pk for pk, identity_key in insert_new(session, _TABLE, rows, unique=["identity_key"])}
    rest = {each.identity_key: each for each in new if each.identity_key not in told}
    if rest:
        query = select(Suppression).where(among(session, Suppression.identity_key, rest)).order_by(Suppression.id)
        # One that was removed at this moment is not among them.
        present = session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
        told |= {each.identity_key: each.id for each in present if _replaced(each, rest[each.identity_key].values())}
        session.flush()
    events = [(EventType.suppression_created, each.facts(told[each.identity_key])) for each in new
              if each.identity_key in told]  # fmt: skip
    record(session, events, at=now)
    return set(told)


def _replaced(present: Suppression, values: dict[str, Any]) -> bool:
    """Give a suppression these values, if they are stronger than those that it has."""
    lasts, lasted = values["until"] is None, present.until is None
    stronger = _ORDER.index(SuppressionReason(values["reason"])) > _ORDER.index(SuppressionReason(present.reason))
    if (lasted and not lasts) or (lasts == lasted and not stronger):
        return False
    for name, value in values.items():
        setattr(present, name, value)
    return True
