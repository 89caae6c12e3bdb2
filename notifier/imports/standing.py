"""What stands against email to an address, for every person who has it: an import changes none of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from notifier.consent import by_address, suppressions
from notifier.database.keys import among
from notifier.models import Notification, User
from notifier.operators import audit_log


@dataclass(frozen=True, slots=True)
class Standing:
    """Of some addresses, by identity key."""

    #: Erased: nothing about them is stored.
    erased: set[str] = field(default_factory=set)
    #: People who signed up here themselves have them.
    signed_up: set[str] = field(default_factory=set)
    suppressed: set[str] = field(default_factory=set)
    #: Their people were asked here to confirm them, and have not done it.
    asked: set[str] = field(default_factory=set)
    #: The keys of these people.
    asked_people: set[int] = field(default_factory=set)
    #: The categories that they refuse.
    refused: dict[str, set[str]] = field(default_factory=dict)

    def may_count_as_confirmed(self, identity_key: str) -> bool:
        """Return whether the word of an import is enough for this address."""
        return identity_key not in self.suppressed and identity_key not in self.asked


def of(session: Session, identity_keys: Collection[str], keys: Sequence[str]) -> Standing:
    """Look these addresses up. `keys` as in SECRET_KEYS, by which erased addresses are known."""
    if not identity_keys:
        return Standing()
    erased = audit_log.erased_among(session, identity_keys, keys)
    theirs = among(session, User.identity_key, identity_keys)
    was_asked = exists().where(Notification.user_id == User.id, Notification.kind == "verification")
    asked = select(User.id, User.identity_key).where(theirs, User.verified_at.is_(None), was_asked)
    people = {row.id: row.identity_key for row in session.execute(asked)}
    return Standing(
        erased | suppressions.erased_among(session, identity_keys, keys),
        set(session.scalars(select(User.identity_key).where(theirs, User.external_id.is_(None)))),
        suppressions.present_among(session, identity_keys),
        {*people.values(), *by_address.unanswered_among(session, identity_keys)},
        {*people},
        by_address.refused_among(session, identity_keys),
    )
