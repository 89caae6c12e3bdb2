"""The answers of a command to a database that it cannot use: one line each, with what to do."""

import shlex
from pathlib import Path

import click
from psycopg.errors import UndefinedTable
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from notifier.config.running import running
from notifier.config.settings import ConfigError, Settings
from notifier.database import older_layout
from notifier.database.outages import is_outage


def refuse_older_layout(settings: Settings) -> None:
    """Raise ClickException, with one line, if the database or the data folder has the older layout."""
    try:
        older_layout.refuse(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def refuse_missing_file(settings: Settings) -> None:
    """Raise ClickException if the SQLite file does not exist: opening it would create it, and its folder."""
    url = make_url(settings.sqlalchemy_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise click.ClickException(no_tables(url.database))


def refuse_wrong_folder(settings: Settings) -> None:
    """Raise ClickException if the SQLite file does not exist or has the older layout. No server is asked."""
    if make_url(settings.sqlalchemy_url).get_backend_name() == "sqlite":
        refuse_older_layout(settings)
        refuse_missing_file(settings)


#: What to do about tables that are missing or old, in an application that embeds us.
INSIDE = "Upgrade them in a revision of your application, with notifier.migrations.upgrade"


def no_tables(path: str | None) -> str:
    """Say what to do about an SQLite file that is empty or does not exist."""
    others = [str(data_dir) for data_dir in running() if path is None or data_dir != Path(path).parent]
    if others:
        return (
            f"No tables in {path}. `up` is running with its data in {' and in '.join(others)}: "
            f"to use that, run: NOTIFIER_DATA_DIR={shlex.quote(others[0])} notifier …; "
            "if this is a new database, run: notifier db upgrade"
        )
    return (
        f"No tables in {path}. If your data is in another folder, set NOTIFIER_DATA_DIR; "
        "if this is a new database, run: notifier db upgrade"
    )


def refusal(error: DBAPIError, url: URL, *, inside: bool = False) -> str:
    """Say what the database at `url` refused, and what to do. Without the statement, which holds typed text.

    `inside`: it is the database of an application that embeds us.
    """
    name = type(error.orig).__name__
    if isinstance(error.orig, UndefinedTable) or "no such table" in str(error.orig):
        place = url.database
        if inside:
            return f"Tables of notifier are missing in the database {place}. {INSIDE}"
        if url.get_backend_name() == "sqlite":
            return no_tables(place)
        return f"A table is missing in the database {place}. Run: notifier db upgrade"
    if is_outage(error):
        return f"The database does not answer ({name}). Check that it is running, and " + (
            "the settings of your application." if inside else "DATABASE_URL."
        )
    if inside:
        return f"The database refused the statement ({name}). The tables of notifier may be too old. {INSIDE}"
    return f"The database refused the statement ({name}). Its schema may be too old; run: notifier db upgrade"
