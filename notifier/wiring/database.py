"""The database: its engine, sessions and migrations, bound to an application."""

from flask import Flask

from notifier import resources
from notifier.config.settings import Settings
from notifier.database import engines
from notifier.database.transaction import reads_only
from notifier.extensions import db, migrate


def bind_database(app: Flask, settings: Settings) -> None:
    """Bind `db` and `migrate` to `app`, and prepare its engine. Raise ConfigError for an unusable SQLite folder."""
    engines.make_folder(settings)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(resources.migrations()), render_as_batch=True)
    with app.app_context():
        engines.prepare(db.engine, settings, reads_only)
        if db.engine.dialect.name == "sqlite":
            app.teardown_request(_end_reading)


def _end_reading(_error: BaseException | None) -> None:
    """End the transaction of a GET, even if its context outlives it, so that the next one may write."""
    if reads_only() and db.session.registry.has():
        db.session.rollback()
