"""Stop the start-up with a database whose tables lack the prefix `notifier_`, and leave it unchanged.

Rows of that layout cannot be migrated, and other files in the data folder (journals, the broker's queues) refer to
their keys.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from notifier.config.settings import ConfigError, Settings
from notifier.database.base import VERSION_TABLE

#: Columns that every version of that layout has. An application that embeds us may have tables of these names, and an
#: `alembic_version` with such a number, but not all of these columns.
_COLUMNS = {
    "users": {"identity_key", "link_nonce", "verified_at"},
    "notifications": {"dedupe_key", "on_unknown", "ring_at", "lease_until"},
}
_VERSION = text("SELECT version_num FROM alembic_version")
_VERSIONS = frozenset(f"{number:04}" for number in range(1, 16))

_CANNOT = "was made by an earlier version of notifier and cannot be upgraded. Nothing was changed."

#: Seconds that the check of an SQLite file waits for a writer.
_BUSY_TIMEOUT_SECONDS = 1.0


def refuse(settings: Settings) -> None:
    """Raise ConfigError, with one line, if the data folder or the database is of the older layout.

    Call it before anything opens them. A database that does not answer is ignored: later steps report that.
    """
    own = _own_file(settings.notifier_data_dir)
    url = make_url(settings.sqlalchemy_url)
    refuse_folder(settings.notifier_data_dir)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "").resolve()
        if path != own and _is_older_file(path):
            advice = "Move the file away and keep it as a copy, or set DATABASE_URL to another file."
            raise ConfigError(f"DATABASE_URL: {path} {_CANNOT} {advice}")
    elif _is_older_server(url, settings.database_connect_timeout):
        # Without the password, and without options that may contain one.
        name = URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()
        advice = "Keep a copy of it (pg_dump), and set DATABASE_URL to an empty database."
        raise ConfigError(f"DATABASE_URL: {name} {_CANNOT} {advice}")


def refuse_folder(folder: Path) -> None:
    """Raise ConfigError, with one line, if the data folder holds a database of the older layout."""
    own = _own_file(folder)
    if _is_older_file(own):
        advice = f"Move the folder {own.parent} away and keep it as a copy, or set NOTIFIER_DATA_DIR to another folder."
        raise ConfigError(f"NOTIFIER_DATA_DIR: {own} {_CANNOT} {advice}")


def _own_file(folder: Path) -> Path:
    return folder.resolve() / "notifier.db"


def _is_older_server(url: URL, connect_timeout: int) -> bool:
    return _is_older(create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": connect_timeout}))


def _is_older_file(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
    except OSError:
        return False

    # Open it read-only, because the check must neither create the file nor write to it.
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_SECONDS)

    return _is_older(create_engine("sqlite://", creator=connect, poolclass=NullPool))


def _is_older(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            return is_older(connection)
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def is_older(connection: Connection) -> bool:
    """Return whether it has our tables without their prefix. Raise SQLAlchemyError if it does not answer."""
    found = inspect(connection)
    if found.has_table(VERSION_TABLE):
        return False
    if not {"alembic_version", *_COLUMNS} <= set(found.get_table_names()):
        return False
    for table, columns in _COLUMNS.items():
        if not columns <= {column["name"] for column in found.get_columns(table)}:
            return False
    versions = set(connection.scalars(_VERSION))
    return bool(versions) and versions <= _VERSIONS
