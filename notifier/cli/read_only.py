"""Commands that only read rows: they get the settings and a session, and import no application."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier.cli.main import Root, root_of
from notifier.cli.refusals import refusal, refuse_missing_file, refuse_older_layout
from notifier.config.settings import Settings
from notifier.database.engines import open_engine
from notifier.database.snapshot import reading
from notifier.observability import logs

R = TypeVar("R")


@dataclass(frozen=True)
class Reading:
    """The settings, and a session that sees a snapshot of the database and cannot write."""

    settings: Settings
    session: Session


def with_session(command: Callable[..., R]) -> Callable[..., R]:
    """Run the command with a `Reading` as its first argument.

    Raise ClickException if the database refuses, does not answer, or has the older layout.
    """

    @wraps(command)
    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> R:
        root = root_of(context)
        settings = root.settings()
        # On a terminal, a command prints its answer, and no routine events.
        logging.getLogger().setLevel(logging.WARNING)
        with _engine_of(root, settings) as engine:
            try:
                with Session(engine) as session, reading(lambda: session):
                    return command(Reading(settings, session), *args, **kwargs)
            except DBAPIError as error:
                raise click.ClickException(refusal(error, engine.url, inside=root.host is not None)) from error

    return wrapped


@contextmanager
def _engine_of(root: Root, settings: Settings) -> Iterator[Engine]:
    """Yield the engine of the application that embeds us, or one of our own, which is closed at the end."""
    if root.engine is not None:
        yield root.engine
        return
    if settings.notifier_env != "test":
        logs.configure()
    refuse_older_layout(settings)
    refuse_missing_file(settings)
    engine = open_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()
