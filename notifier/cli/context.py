"""How a command gets its application: created when it is needed, with its own context."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

from notifier.cli.main import root_of
from notifier.cli.refusals import refusal, refuse_older_layout, refuse_wrong_folder
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.services import services_of

P = ParamSpec("P")
R = TypeVar("R")


def with_app(command: Callable[..., R]) -> Callable[..., R]:
    """Run the command inside an application context; the application is its first argument.

    Raise ClickException if the database has the older layout.
    """
    return _refusing_first(refuse_older_layout, command)


def for_report(command: Callable[..., R]) -> Callable[..., R]:
    """Do as `with_app`, for a report that must come while the database is away or hangs.

    Raise ClickException only if a file that should be the database is none of ours.
    """
    return _refusing_first(refuse_wrong_folder, command)


def _refusing_first(refuse: Callable[[Settings], None], command: Callable[..., R]) -> Callable[..., R]:
    @wraps(command)
    def looking(app: Flask, /, *args: Any, **kwargs: Any) -> R:
        # A host's tables have never had another layout, and its engine is the only one to look with.
        if root_of(click.get_current_context()).host is None:
            refuse(services_of(app).settings)
        return command(app, *args, **kwargs)

    return without_database(looking)


def without_database(command: Callable[..., R]) -> Callable[..., R]:
    """Do as `with_app`, for a command that does not use the database."""

    @wraps(command)
    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> R:
        root = root_of(context)
        app = root.app()
        # On a terminal, a command prints its answer, and no routine events.
        logging.getLogger().setLevel(logging.WARNING)
        with app.app_context():
            try:
                return command(app, *args, **kwargs)
            except DBAPIError as error:
                raise click.ClickException(refusal(error, db.engine.url, inside=root.host is not None)) from error

    return wrapped
