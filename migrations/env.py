"""Run the migrations inside the application that Flask-Migrate provides."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, event, text

from notifier.database.base import VERSION_TABLE
from notifier.database.schema import UPGRADE_LOCK
from notifier.database.sqlite import foreign_keys_off
from notifier.extensions import db
from notifier.models import Notification  # Imported so that the metadata knows every table.
from notifier.services import services

assert Notification.metadata is db.metadata


def run() -> None:
    """Run the migrations. Batch mode rebuilds tables that SQLite cannot alter."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as guard, engine.connect() as connection, foreign_keys_off(connection):
        if connection.dialect.name == "postgresql":
            for each in (guard, connection):
                event.listen(each, "begin", give_way)
            # A transaction of its own holds the lock until the last migration ends: a pooler may be in between.
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
    """Limit the wait for locks: later queries on the table would wait behind us."""
    seconds = services().settings.migration_lock_timeout
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")


if context.is_offline_mode():
    raise SystemExit("offline mode is not supported: migrations look at the database")
run()
