"""How a command gets its application: created when it is needed, with its own context."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

from notifier.cli.refusals import refusal, refuse_older_layout
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


def without_database(command: Callable[..., R]) -> Callable[..., R]:
    """Do as `with_app`, for a command that does not use the database."""

    @wraps(command)
    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> R:
        app: Flask = context.find_root().obj.app()
        # On a terminal, a command prints its answer, and no routine events.
        logging.getLogger().setLevel(logging.WARNING)
        with app.app_context():
            try:
                return command(app, *args, **kwargs)
            except DBAPIError as error:
                raise click.ClickException(refusal(error, db.engine.url)) from error

    return wrapped
