"""What was decided about addresses: an import must not undo it by giving an address to a person with a new id."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from notifier.consent.preferences import DIGEST, REFUSABLE, How
from notifier.database.keys import among
from notifier.database.listed import insert_all
from notifier.models import Consent, Frequency, Preference, User

_CONSENTS = cast("Table", Consent.__table__)

#: The category of the evidence that an address was confirmed elsewhere; or that its person had another one before, and
#: did not answer when we asked them to confirm that.
CONFIRMED = "confirmed"


def refused_among(session: Session, identity_keys: Collection[str]) -> dict[str, set[str]]:
    """Return the categories that are refused at these addresses.

    A category is refused if a person with this address refuses it, or if the last decision that was made with this
    address, perhaps by a person who has another one now, refused it.
    """
    refused: dict[str, set[str]] = {}
    decided = select(Consent.identity_key, Consent.category, Consent.wanted).where(
        among(session, Consent.identity_key, identity_keys), Consent.category.in_(REFUSABLE)
    )
    for address, category, wanted in session.execute(decided.order_by(Consent.id)):
        mine = refused.setdefault(str(address), set())
        mine.discard(category) if wanted else mine.add(category)
    present = (
        select(User.identity_key, Preference.category)
        .join(Preference, Preference.user_id == User.id)
        .where(among(session, User.identity_key, identity_keys), Preference.wanted.is_(False))
    )
    for identity_key, category in session.execute(present):
        refused.setdefault(identity_key, set()).add(category)
    return refused


def refuse_all(session: Session, identity_keys: Mapping[str, datetime]) -> None:
    """Store that these addresses, which no person here has, refused every category, and when. The caller commits."""
    rows: list[dict[str, Any]] = [
        {
            "identity_key": identity_key, "category": category, "wanted": False, "how": How.imported.value,
            "frequency": Frequency.never.value if category == DIGEST else None, "at": at,
        }
        for identity_key, at in identity_keys.items()
        for category in REFUSABLE
    ]  # fmt: skip
    insert_all(session, _CONSENTS, rows)


def record_confirmed(session: Session, people: Mapping[int, str], *, at: datetime, basis: str) -> None:
    """Store, as evidence, on what basis these addresses count as confirmed since `at`. The caller commits.

    Args:
        session: The session.
        people: The identity key of each person, by key.
        at: Since when.
        basis: Why, in the words of the person who takes responsibility for it.
    """
    rows: list[dict[str, Any]] = [
        {
            "user_id": user_id, "identity_key": identity_key, "category": CONFIRMED, "wanted": True,
            "how": How.imported.value, "basis": basis, "at": at,
        }
        for user_id, identity_key in people.items()
    ]  # fmt: skip
    insert_all(session, _CONSENTS, rows)


def record_unanswered(session: Session, people: Mapping[int, str], *, at: datetime) -> None:
    """Store that these people, who get another address, never confirmed this one. The caller commits."""
    rows: list[dict[str, Any]] = [
        {
            "user_id": user_id, "identity_key": identity_key, "category": CONFIRMED, "wanted": False,
            "how": How.imported.value, "at": at,
        }
        for user_id, identity_key in people.items()
    ]  # fmt: skip
    insert_all(session, _CONSENTS, rows)


def unanswered_among(session: Session, identity_keys: Collection[str]) -> set[str]:
    """Return at which of these addresses a person never confirmed, before an import gave them another one."""
    mine = among(session, Consent.identity_key, identity_keys)
    query = select(Consent.identity_key).where(mine, Consent.category == CONFIRMED, Consent.wanted.is_(False))
    return {str(each) for each in session.scalars(query)}
