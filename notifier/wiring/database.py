"""The database: its engine, sessions and migrations, bound to an application."""

from functools import partial
from pathlib import Path

from flask import Flask
from sqlalchemy import make_url

from notifier import resources
from notifier.config.settings import ConfigError, Settings
from notifier.database import pools, postgres, sqlite
from notifier.database.transaction import reads_only
from notifier.extensions import db, migrate


def engine_options(settings: Settings) -> dict[str, object]:
    """Return the options of SQLAlchemy's engine."""
    # Parameters of statements are addresses and names, and errors of the database appear in logs.
    hidden: dict[str, object] = {"hide_parameters": True}
    if settings.sqlalchemy_url.startswith("sqlite"):
        return hidden
    return hidden | postgres.engine_options(settings.database_connect_timeout, settings.database_prepared_statements)


def bind_database(app: Flask, settings: Settings) -> None:
    """Bind `db` and `migrate` to `app`, and prepare its engine. Raise ConfigError for an unusable SQLite folder."""
    _make_folder(settings)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(resources.migrations()), render_as_batch=True)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            sqlite.prepare(db.engine, reads_only)
            app.teardown_request(_end_reading)
            pools.prepare(db.engine, ping=None)
        else:
            timeout = settings.database_connect_timeout
            postgres.prepare(db.engine, timeout, settings.database_prepared_statements)
            pools.prepare(db.engine, ping=partial(postgres.ping, seconds=timeout))


def _make_folder(settings: Settings) -> None:
    database = make_url(settings.sqlalchemy_url)
    if database.drivername != "sqlite" or not database.database:
        return
    folder = Path(database.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"DATABASE_URL: the folder {folder} cannot be made: {error.strerror}") from None


def _end_reading(_error: BaseException | None) -> None:
    """End the transaction of a GET, even if its context outlives it, so that the next one may write."""
    if reads_only() and db.session.registry.has():
        db.session.rollback()
