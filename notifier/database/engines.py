"""Build engines from the settings: their options, and the listeners that every connection needs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url

from notifier.config.settings import ConfigError, Settings
from notifier.database import pools, postgres, sqlite


def open_engine(settings: Settings) -> Engine:
    """Build a prepared engine. Raise ConfigError for an unusable SQLite folder."""
    make_folder(settings)
    engine = create_engine(settings.sqlalchemy_url, **engine_options(settings))
    prepare(engine, settings)
    return engine


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return the options of SQLAlchemy's engine."""
    # Parameters of statements are addresses and names, and errors of the database appear in logs.
    hidden: dict[str, Any] = {"hide_parameters": True}
    if settings.sqlalchemy_url.startswith("sqlite"):
        return hidden
    return hidden | postgres.engine_options(settings.database_connect_timeout, settings.database_prepared_statements)


def prepare(engine: Engine, settings: Settings, reads_only: Callable[[], bool] = lambda: False) -> None:
    """Add the listeners. On SQLite, `reads_only` says whether the transaction that begins cannot write."""
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine, reads_only)
        pools.prepare(engine, ping=None)
    else:
        timeout = settings.database_connect_timeout
        postgres.prepare(engine, timeout, settings.database_prepared_statements)
        pools.prepare(engine, ping=partial(postgres.ping, seconds=timeout))


def make_folder(settings: Settings) -> None:
    """Create the folder of an SQLite file. Raise ConfigError if that fails."""
    database = make_url(settings.sqlalchemy_url)
    if database.drivername != "sqlite" or not database.database:
        return
    folder = Path(database.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"DATABASE_URL: the folder {folder} cannot be created: {error.strerror}") from None
