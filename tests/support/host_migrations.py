"""Another application with an Alembic environment and a naming convention of its own, whose revisions call ours."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import StringIO
from pathlib import Path
from textwrap import indent
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from notifier import resources
from notifier.database.base import VERSION_TABLE
from notifier.testing.servers.postgres import PostgresServer

#: Other names than ours for everything: a constraint of ours that it reaches is seen.
CONVENTION = {
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    "uq": "unique_%(table_name)s_%(column_0_N_name)s",
    "ck": "check_%(table_name)s_%(constraint_name)s",
    "fk": "foreign_%(table_name)s_%(column_0_N_name)s",
    "pk": "primary_%(table_name)s",
}

_ENV = """
from alembic import context

host = context.config.attributes["host"]


def run() -> None:
    with host.engine.connect() as connection, host.around(connection):
        context.configure(connection=connection, target_metadata=host.metadata)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    context.configure(url=host.engine.url, target_metadata=host.metadata, literal_binds=True)
    context.run_migrations()
else:
    run()
"""

_REVISION = """
import sqlalchemy as sa
from alembic import op
from notifier import migrations as notifier_migrations

revision = {revision!r}
down_revision = {down!r}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
"""

#: What the second migration of ours does: the check gets its name by the naming convention.
_SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("notifier_users") as table:
        table.add_column(sa.Column("another", sa.Integer(), server_default="0", nullable=False))
        table.create_check_constraint("another", "another >= 0")


def downgrade() -> None:
    with op.batch_alter_table("notifier_users") as table:
        table.drop_constraint("another", type_="check")
        table.drop_column("another")
"""

SECOND = "9001"

#: Statements of a revision.
OURS = 'notifier_migrations.upgrade(op, to="head")'
OUR_FIRST = 'notifier_migrations.upgrade(op, to="0001")'
OUR_SECOND = f'notifier_migrations.upgrade(op, to="{SECOND}")'
OURS_BACK = 'notifier_migrations.downgrade(op, to="base")'
SHOP = 'op.create_table("{0}", sa.Column("id", sa.Integer(), primary_key=True), sa.CheckConstraint("id > 0", "plus"))'


class Host:
    """The application: its metadata, its database and its revisions."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(_ENV)
        self.metadata = MetaData(naming_convention=CONVENTION)
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        #: What its `env.py` does around everything.
        self.around: Callable[[Connection], AbstractContextManager[Any]] = nullcontext
        self.printed = StringIO()
        self._folder = folder
        self._newest: str | None = None

    def revise(self, upgrade: str, downgrade: str = "pass") -> None:
        """Add a revision that runs these statements."""
        revision = f"host{len(list((self._folder / 'versions').iterdir())) + 1}"
        code = _REVISION.format(
            revision=revision, down=self._newest, upgrade=indent(upgrade, "    "), downgrade=indent(downgrade, "    ")
        )
        (self._folder / "versions" / f"{revision}.py").write_text(code)
        self._newest = revision

    def upgrade(self, to: str = "head", *, sql: bool = False) -> None:
        """Run `alembic upgrade`."""
        command.upgrade(self._config(), to, sql=sql)

    def downgrade(self, to: str) -> None:
        """Run `alembic downgrade`."""
        command.downgrade(self._config(), to)

    def differences(self, **options: Any) -> set[tuple[str, str]]:
        """What autogenerate would do about tables, by (operation, table)."""
        with self.engine.connect() as connection:
            found = compare_metadata(MigrationContext.configure(connection, opts=options), self.metadata)
        return {(each[0], each[1].name) for each in found if not isinstance(each, list) and each[0].endswith("_table")}

    def _config(self) -> Config:
        config = Config(output_buffer=self.printed, attributes={"host": self})
        config.set_main_option("script_location", str(self._folder))
        return config


def newest() -> str:
    """Return the newest of our migrations."""
    return max(each.name[:4] for each in (resources.migrations() / "versions").glob("*.py"))


def two_migrations(folder: Path) -> Path:
    """Return a folder with our migrations and one more, `SECOND`, which alters a table that others reference."""
    shutil.copytree(resources.migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{SECOND}_another.py").write_text(_SECOND.format(revision=SECOND, head=newest()))
    return folder


@contextmanager
def a_host(request: pytest.FixtureRequest, database_url: str, folder: Path) -> Iterator[Host]:
    """Makes an application with an empty database of the kind of `database_url`."""
    name = f"host_{uuid4().hex[:8]}"
    if database_url.startswith("sqlite"):
        yield Host(folder / name, f"sqlite:///{folder / name}.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield Host(folder / name, server.create_database(name))
    server.drop_database(name)


def version(host: Host, table: str = VERSION_TABLE) -> list[str]:
    """Return the applied migrations: ours, or those of another version table."""
    with host.engine.connect() as connection:
        return list(connection.execute(text(f"SELECT version_num FROM {table}")).scalars())


def execute(host: Host, *statements: str) -> None:
    """Run statements in a transaction."""
    with host.engine.begin() as connection:
        for each in statements:
            connection.exec_driver_sql(each)
