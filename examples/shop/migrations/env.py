"""The environment of the shop's migrations: `flask --app shop.wsgi db upgrade`."""

from typing import Any

from alembic import context
from flask import current_app

from notifier.migrations import foreign_keys_off

migrate = current_app.extensions["migrate"]


def skip_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no migration if nothing changed."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


with migrate.db.engine.connect() as connection, foreign_keys_off(connection):
    context.configure(
        connection=connection,
        target_metadata=migrate.db.metadata,
        **{"process_revision_directives": skip_empty, **migrate.configure_args},
    )
    with context.begin_transaction():
        context.run_migrations()
