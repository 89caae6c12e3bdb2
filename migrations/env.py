"""Runs the migrations inside the application that Flask-Migrate gives."""

from alembic import context
from flask import current_app

from notifier.extensions import db
from notifier.models import Notification  # so that the metadata knows every table

assert Notification.metadata is db.metadata


def run() -> None:
    """On both databases: batch mode rebuilds tables where SQLite cannot alter them."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_as_batch=True,
            compare_type=True,
            user_module_prefix="types.",
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("offline mode is not supported: migrations look at the database")
run()
