"""The answers of a command to a database that it cannot use: one line each, with what to do."""

import click
from psycopg.errors import UndefinedTable
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from notifier.config.settings import ConfigError, Settings
from notifier.database import older_layout
from notifier.database.outages import is_outage


def refuse_older_layout(settings: Settings) -> None:
    """Raise ClickException, with one line, if the database or the data folder has the older layout."""
    try:
        older_layout.refuse(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def no_tables(path: str | None) -> str:
    """Say what to do about an SQLite file that is empty or does not exist."""
    return (
        f"No tables in {path}. If your data is in another folder, set NOTIFIER_DATA_DIR; "
        "if this is a new database, run: notifier db upgrade"
    )


def refusal(error: DBAPIError, url: URL) -> str:
    """Say what the database at `url` refused, and what to do. Without the statement, which holds typed text."""
    name = type(error.orig).__name__
    if isinstance(error.orig, UndefinedTable) or "no such table" in str(error.orig):
        place = url.database
        if url.get_backend_name() == "sqlite":
            return no_tables(place)
        return f"A table is missing in the database {place}. Run: notifier db upgrade"
    if is_outage(error):
        return f"The database does not answer ({name}). Check that it is running, and DATABASE_URL."
    return f"The database refused the statement ({name}). Its schema may be too old; run: notifier db upgrade"
