"""What a comparison of the host's users with their mirror finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from notifier.entries.fields import OURS, UserFields, columns_of
from notifier.entries.people import MIRRORED


@dataclass(frozen=True, slots=True)
class Example:
    """One person. The address is None unless it was asked for."""

    id: str
    email: str | None = None


@dataclass(slots=True)
class Found:
    """How many people have one difference, and the first of them."""

    count: int = 0
    first: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class UserCheck:
    """The host's users compared with their mirror."""

    #: How many people of each difference are named, and whether with their addresses.
    examples: int
    addresses: bool
    #: Users of the host that were read.
    users: int = 0
    #: Of those, people who were erased here: they are left as they are.
    erased: int = 0
    #: Users of the host who are not here.
    missing: Found = field(default_factory=Found)
    #: People here whom the host no longer has, and who are not detached.
    gone: Found = field(default_factory=Found)
    #: People who are in both and differ in any column.
    differing: Found = field(default_factory=Found)
    #: The same, by column. A person may count in several.
    columns: dict[str, Found] = field(default_factory=dict)
    #: Users whose id or attributes cannot be stored; the host has to correct them.
    refused: Found = field(default_factory=Found)
    #: What `sync_users` changed: people it wrote, and people it detached.
    written: int = 0
    detached: int = 0

    @property
    def differences(self) -> int:
        """Return the number of people who are not the same in both."""
        return sum(found.count for found in (self.missing, self.gone, self.differing, self.refused))

    @property
    def is_clean(self) -> bool:
        """Return whether the mirror shows the host's users as they are."""
        return self.differences == 0

    def note(self, found: Found, external_id: str, email: object) -> None:
        """Count a person."""
        found.count += 1
        if len(found.first) < self.examples:
            found.first.append(Example(external_id, str(email or "") if self.addresses else None))

    def note_columns(self, names: list[str], external_id: str, email: object) -> None:
        """Count a person who differs in these columns."""
        self.note(self.differing, external_id, email)
        for name in names:
            self.note(self.columns.setdefault(name, Found()), external_id, email)


def differing(fields: UserFields, row: Mapping[str, Any] | None, *, allow_local: bool, has_hook: bool) -> list[str]:
    """Return the columns in which the row differs from what the host says now; all of them if there is no row.

    Raise ValueError for an id or attributes that cannot be stored.
    """
    columns = columns_of(fields, allow_local=allow_local, has_hook=has_hook, stored=row)
    names = MIRRORED if fields.verified_at is OURS else (*MIRRORED, "verified_at")
    return [name for name in names if row is None or columns[name] != row[name]]
