"""Is the schema of the database the one that this code needs?"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

#: The advisory lock of an upgrade on Postgres: two at once take turns. A number that no other program uses here.
UPGRADE_LOCK = 7_046_029_254_386_353

#: Where a database says which migrations it had. A host application has Alembic's own name for its own.
VERSION_TABLE = "notifier_version"

UPGRADE = "run notifier db upgrade"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What a look at the database found."""

    #: True where code would ask for what the database does not have yet.
    behind: bool
    #: One line, for people.
    detail: str


class Schema:
    """The migrations of this code. They are read once, at the first question."""

    def __init__(self, folder: Path) -> None:
        """`folder` is Alembic's script directory."""
        self._folder = folder

    def state(self, connection: Connection) -> SchemaState:
        """Compare the database's version with the newest migration. Raises SQLAlchemyError where it does not answer.

        A version that this code does not know is newer: the code before an upgrade goes on beside the new one.
        """
        found = set(MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads())
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
        """The newest migrations, and all that there are."""
        scripts = ScriptDirectory(str(self._folder))
        return frozenset(scripts.get_heads()), frozenset(each.revision for each in scripts.walk_revisions())


def _named(versions: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(versions))
