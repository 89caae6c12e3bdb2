"""Our migrations as a part of another application's: its revisions call `upgrade` and `downgrade`.

Our scripts run on the connection of the host's revision, so on Postgres both take effect together or not at all. They
have a MigrationContext of their own, with our version table and our names of constraints; the host's naming convention
would rename them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import alembic.op
from alembic.operations import Operations
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from notifier import resources
from notifier.database.base import VERSION_TABLE
from notifier.database.schema import UPGRADE_LOCK
from notifier.database.sqlite import foreign_keys_off
from notifier.models import Notification

__all__ = [
    "HostOperations",
    "MigrationRefused",
    "downgrade",
    "foreign_keys_off",
    "include_name",
    "stamp_newest",
    "upgrade",
]

#: The applied migrations that no other one builds on: one, or none.
_Heads = tuple[str, ...]

#: Of the models, so that it knows every table.
_METADATA = Notification.metadata

#: Exact names: a host may have tables that begin with `notifier_` too.
_OURS = frozenset({*_METADATA.tables, VERSION_TABLE})


class MigrationRefused(CommandError):
    """Our migrations cannot run here; the message is one line that says why and what to do.

    Alembic and Flask-Migrate print a CommandError without a traceback.
    """


class HostOperations(Protocol):
    """The part of `alembic.op`, or of an Operations object, that is needed here."""

    def get_bind(self) -> Connection:
        """Return the connection of the revision."""

    def get_context(self) -> MigrationContext:
        """Return the host's context."""


def upgrade(op: HostOperations, to: str) -> None:
    """Bring our tables to version `to` (a revision of ours, such as "0001", or "head"), from the host's `upgrade()`.

    A database that is at this version, or at a newer one, is left as it is. Raise MigrationRefused for a version that
    this code does not know, with `--sql`, and if SQLite would delete rows (see `foreign_keys_off`).
    """
    scripts = _scripts(op)
    _refuse_unknown_target(scripts, to, "head")
    _migrate(op, scripts, lambda heads: _steps_up(scripts, heads, to))


def downgrade(op: HostOperations, to: str) -> None:
    """Take our tables back to version `to` (a revision of ours, or "base" for none), from the host's `downgrade()`.

    A database that is at this version, or at an older one, is left as it is. Raise MigrationRefused as `upgrade` does.
    """
    scripts = _scripts(op)
    _refuse_unknown_target(scripts, to, "base")
    _migrate(op, scripts, lambda heads: _steps_down(scripts, heads, to))


def stamp_newest(connection: Connection) -> None:
    """Record the newest version for tables that were made from the models. A version that is recorded stays."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    if not context.get_current_heads():
        context.stamp(ScriptDirectory(str(resources.migrations())), "head")


def include_name(name: str | None, type_: NameFilterType, parent_names: NameFilterParentNames) -> bool:
    """Return whether Alembic's autogenerate may look at this name: the `include_name` of the host's environment.

    Without it autogenerate would drop our tables, because the host's metadata does not have them.
    """
    if type_ == "schema" or parent_names.get("schema_name") is not None:
        return True
    table = name if type_ == "table" else parent_names.get("table_name")
    return table not in _OURS


def _scripts(op: HostOperations) -> ScriptDirectory:
    if op.get_context().as_sql:
        raise MigrationRefused("notifier's migrations look at the database: run this revision without --sql")
    return ScriptDirectory(str(resources.migrations()))


def _migrate(op: HostOperations, scripts: ScriptDirectory, plan: Callable[[_Heads], list[RevisionStep]]) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # Until the host's transaction ends, another upgrade waits, and then finds the version that this one leaves.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})

    def steps(heads: _Heads, _context: MigrationContext) -> list[RevisionStep]:
        _refuse_unknown(scripts, heads)
        planned = plan(heads)
        if planned and heads:
            _refuse_foreign_keys(connection)
        return planned

    options = {"fn": steps, "script": scripts, "version_table": VERSION_TABLE, "target_metadata": _METADATA}
    context = MigrationContext.configure(connection, opts=options)
    with _operations(context), context.begin_transaction():
        context.run_migrations()


@contextmanager
def _operations(context: MigrationContext) -> Iterator[None]:
    """Let `alembic.op` work in this context, then in the host's again, whose revision may go on or handle an error.

    Alembic has one such proxy for each process, and only EnvironmentContext keeps a stack of them.
    """
    hosts = getattr(alembic.op, "_proxy", None)
    operations = Operations(context)
    operations._install_proxy()
    try:
        yield
    finally:
        operations._remove_proxy()
        if hosts is not None:
            hosts._install_proxy()


def _steps_up(scripts: ScriptDirectory, heads: _Heads, to: str) -> list[RevisionStep]:
    return scripts._upgrade_revs(to, heads)  # type: ignore[arg-type]


def _steps_down(scripts: ScriptDirectory, heads: _Heads, to: str) -> list[RevisionStep]:
    applied = {each.revision for each in scripts.iterate_revisions(heads, "base")}
    if not applied or (to != "base" and to not in applied):
        return []
    return scripts._downgrade_revs(to, heads)  # type: ignore[arg-type]


def _refuse_unknown_target(scripts: ScriptDirectory, to: str, name: str) -> None:
    """Refuse what is neither `name` nor a version in full: "+1" and the like would depend on the database."""
    if to != name and to not in _known(scripts):
        raise MigrationRefused(
            f"notifier has no migration {to!r}, its newest is {scripts.get_current_head()}: correct the revision, or "
            f"install the notifier that it was written for"
        )


def _refuse_unknown(scripts: ScriptDirectory, heads: _Heads) -> None:
    unknown = sorted(set(heads) - _known(scripts))
    if unknown:
        raise MigrationRefused(
            f"the tables of notifier are at version {', '.join(unknown)}, which this notifier does not know: install "
            f"the newer one that made them"
        )


def _known(scripts: ScriptDirectory) -> set[str]:
    return {each.revision for each in scripts.walk_revisions()}


def _refuse_foreign_keys(connection: Connection) -> None:
    """Refuse to alter tables while SQLite would delete what references them.

    Switching that off takes a connection without a transaction, which a revision does not have.
    """
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise MigrationRefused(
            "SQLite enforces foreign keys here, so altering a table would delete rows that reference it: in the env.py "
            "of your migrations, run everything inside `with notifier.migrations.foreign_keys_off(connection):`"
        )
