"""How a command gets its application: created when it is needed, with its own context."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from psycopg.errors import UndefinedTable
from sqlalchemy.exc import DBAPIError

from notifier.config.settings import ConfigError, Settings
from notifier.database import older_layout
from notifier.database.outages import is_outage
from notifier.extensions import db
from notifier.services import services_of

P = ParamSpec("P")
R = TypeVar("R")


def with_app(command: Callable[..., R]) -> Callable[..., R]:
    """Run the command inside an application context; the application is its first argument.

    Raise ClickException if the database has the older layout.
    """

    @wraps(command)
    def looking(app: Flask, /, *args: Any, **kwargs: Any) -> R:
        refuse_older_layout(services_of(app).settings)
        return command(app, *args, **kwargs)

    return without_database(looking)


def refuse_older_layout(settings: Settings) -> None:
    """Raise ClickException, with one line, if the database or the data folder has the older layout."""
    try:
        older_layout.refuse(settings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def without_database(command: Callable[..., R]) -> Callable[..., R]:
    """Do as `with_app`, for a command that does not use the database."""

    @wraps(command)
    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> R:
        app: Flask = context.find_root().obj()
        # On a terminal, a command prints its answer, and no routine events.
        logging.getLogger().setLevel(logging.WARNING)
        with app.app_context():
            try:
                return command(app, *args, **kwargs)
            except DBAPIError as error:
                raise click.ClickException(_refusal(error)) from error

    return wrapped


def _refusal(error: DBAPIError) -> str:
    """Say what the database refused, and what to do. Without the statement, which holds typed text."""
    name = type(error.orig).__name__
    if isinstance(error.orig, UndefinedTable) or "no such table" in str(error.orig):
        place = db.engine.url.database
        if db.engine.dialect.name == "sqlite":
            return (
                f"No tables in {place}. If your data is in another folder, set NOTIFIER_DATA_DIR; "
                "if this is a new database, run: notifier db upgrade"
            )
        return f"A table is missing in the database {place}. Run: notifier db upgrade"
    if is_outage(error):
        return f"The database does not answer ({name}). Check that it is running, and DATABASE_URL."
    return f"The database refused the statement ({name}). Its schema may be too old; run: notifier db upgrade"
