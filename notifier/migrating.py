"""Run our migrations on the database of an application of ours. Commands and tests do; no server needs Alembic."""

import flask_migrate
from flask import current_app

from notifier import resources
from notifier.extensions import db


def upgrade() -> None:
    """Bring the database of the current application to the newest version. Raise what Alembic and SQLAlchemy raise."""
    _bind()
    flask_migrate.upgrade()


def downgrade(revision: str) -> None:
    """Take it back to this version; `base` removes all tables. Raise what Alembic and SQLAlchemy raise."""
    _bind()
    flask_migrate.downgrade(revision=revision)


def _bind() -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if "migrate" not in app.extensions:
        flask_migrate.Migrate(app, db, directory=str(resources.migrations()), render_as_batch=True)
