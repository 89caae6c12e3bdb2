"""The `notifier` command inside the process of a test."""

from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result
from flask import Flask

from notifier.cli.main import build
from notifier.extensions import db

#: Takes the words of a command, and options of Click's runner such as `input`.
Run = Callable[..., Result]


def runner(app: Flask) -> Run:
    """Return what runs commands of `app`, and rolls back the session of the test before and after each."""
    command = build(lambda: app)

    def run(*words: str, **options: Any) -> Result:
        db.session.rollback()
        result = CliRunner().invoke(command, list(words), **options)
        db.session.rollback()
        return result

    return run
