"""How a command gets its application: made when it is needed, with its own context."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

from notifier.config.settings import ConfigError, Settings
from notifier.database import older_layout
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
    """As `with_app`, for a command that asks the database for nothing."""

    @wraps(command)
    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> R:
        app: Flask = context.find_root().obj()
        # On a terminal, what a command prints is the answer; routine events are not.
        logging.getLogger().setLevel(logging.WARNING)
        with app.app_context():
            try:
                return command(app, *args, **kwargs)
            except DBAPIError as error:
                # Without the statement: it holds what people typed.
                raise click.ClickException(
                    f"The database refused ({type(error.orig).__name__}). Does it answer, and is its schema "
                    "the newest? Try: notifier db upgrade"
                ) from error

    return wrapped
