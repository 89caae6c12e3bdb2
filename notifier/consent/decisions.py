"""Decisions about categories, each with its evidence: taken one by one, and stored together."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Table
from sqlalchemy.orm import Session

from notifier.database.listed import insert_all
from notifier.models import Consent, Frequency, Preference

_PREFERENCES: Final = cast("Table", Preference.__table__)
_CONSENTS: Final = cast("Table", Consent.__table__)


@dataclass(frozen=True, slots=True)
class Wish:
    """The present preference of a user for a category, decided or by default."""

    category: str
    wanted: bool
    #: Set for the digest only; `never` if it is not wanted.
    frequency: Frequency | None = None
    #: None if the default applies.
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who decided, how and when."""

    user_id: int
    identity_key: str
    how: str
    notification_id: int | None
    now: datetime
    #: Where it was decided, in another application.
    basis: str | None = None

    def row(self, after: Wish) -> dict[str, Any]:
        """Return the columns of the row of this decision."""
        return {
            "user_id": self.user_id, "identity_key": self.identity_key or None, "category": after.category,
            "wanted": after.wanted, "frequency": after.frequency, "basis": self.basis, "how": self.how,
            "notification_id": self.notification_id, "at": self.now,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions that are stored together: an import makes thousands at once."""

    preferences: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)

    def take(self, row: Preference | None, before: Wish, after: Wish, evidence: Evidence) -> bool:
        """Take a decision, unless it changes nothing and has no basis. Return whether it was taken.

        `row` is the present one of its user and category, and `before` what it says.
        """
        if (before.wanted, before.frequency) == (after.wanted, after.frequency) and evidence.basis is None:
            return False
        if row is None:
            self.preferences.append({"user_id": evidence.user_id, "category": after.category} | _first(after, evidence))
        else:
            _apply(row, before, after, evidence.now)
        self.consents.append(evidence.row(after))
        return True

    def store(self, session: Session) -> None:
        """Store what was taken. The caller commits."""
        session.flush()
        insert_all(session, _PREFERENCES, self.preferences)
        insert_all(session, _CONSENTS, self.consents)


def _first(after: Wish, evidence: Evidence) -> dict[str, Any]:
    """Return the columns of a first decision: everything was wanted before."""
    frequency = after.frequency if after.wanted else None
    return {"wanted": after.wanted, "frequency": frequency, "wanted_since": None, "updated_at": evidence.now}


def _apply(row: Preference, before: Wish, after: Wish, now: datetime) -> None:
    if before.wanted is not after.wanted:
        row.wanted_since = now if after.wanted else None
    row.wanted, row.updated_at = after.wanted, now
    if after.wanted:
        row.frequency = after.frequency  # an unwanted digest keeps its frequency, in case it is wanted again
