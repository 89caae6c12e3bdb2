"""Check that the database has the schema that this code needs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name

from sqlalchemy import Connection, Select, String, column, inspect, select, table

from notifier.database.base import VERSION_TABLE

#: The advisory lock of an upgrade on Postgres, so that two upgrades take turns. An arbitrary number.
UPGRADE_LOCK = 7_046_029_254_386_353

UPGRADE = "run notifier db upgrade"

_STORED: Select[str] = select(column("version_num", String)).select_from(table(VERSION_TABLE))


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The result of a check."""

    #: Whether the database lacks tables or columns that this code needs.
    behind: bool
    #: One line, for people.
    detail: str


class Schema:
    """The migrations of this code, read once, at the first check."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, Alembic's script directory."""
        self._folder = folder

    def state(self, connection: Connection) -> SchemaState:
        """Compare the database's version with the newest migration. Raise SQLAlchemyError if it does not answer.

        An unknown version counts as newer, because old code keeps running beside new code during an upgrade.
        """
        found = set(connection.scalars(_STORED)) if inspect(connection).has_table(VERSION_TABLE) else set()
        heads, known = self._versions
        if not found:
            return SchemaState(behind=True, detail=f"the database has no tables yet: {UPGRADE}")
        if found == heads:
            return SchemaState(behind=False, detail=f"version {_named(heads)}")
        unknown = found - known
        if unknown:
            detail = f"version {_named(unknown)} is newer than this code, which needs {_named(heads)}"
            return SchemaState(behind=False, detail=detail)
        detail = f"the database is at version {_named(found)}, this code needs {_named(heads)}: {UPGRADE}"
        return SchemaState(behind=True, detail=detail)

    @cached_property
    def _versions(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the newest migrations, and all known ones."""
        # By its name: workers and most commands never check, and Alembic takes a twentieth of a second to load.
        versions: tuple[frozenset[str], frozenset[str]] = resolve_name("notifier.database.scripts:versions_in")(
            self._folder
        )
        return versions


def _named(versions: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(versions))
