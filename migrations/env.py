"""Runs the migrations inside the application that Flask-Migrate gives."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection, event, text

from notifier.database.schema import UPGRADE_LOCK, VERSION_TABLE
from notifier.extensions import db
from notifier.models import Notification  # so that the metadata knows every table
from notifier.services import services

assert Notification.metadata is db.metadata


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """On SQLite a table is altered by making it anew, and to drop the old one would delete what points at it.

    SQLite heeds this outside of a transaction only, so the driver is told itself. What points at nothing afterwards
    is a fault of the migration.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise SystemExit(f"{len(broken)} rows point at nothing after the migration, the first is {broken[0]}")
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def run() -> None:
    """On both databases: batch mode rebuilds tables where SQLite cannot alter them."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as guard, engine.connect() as connection, foreign_keys_off(connection):
        if connection.dialect.name == "postgresql":
            for each in (guard, connection):
                event.listen(each, "begin", give_way)
            # Held by a transaction of its own until the last migration is over; a pooler may stand in between.
            guard.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            version_table=VERSION_TABLE,
            render_as_batch=True,
            compare_type=True,
            user_module_prefix="types.",
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


def give_way(connection: Connection) -> None:
    """Wait for no lock for long: whatever asks for the table after us would wait behind us."""
    seconds = services().settings.migration_lock_timeout
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")


if context.is_offline_mode():
    raise SystemExit("offline mode is not supported: migrations look at the database")
run()
