"""The parts of an application that is already wired: its tasks, and others in their place."""

from dataclasses import replace
from typing import Any

from flask import Flask

from notifier.services import KEY, services_of


def replace_services(app: Flask, **parts: Any) -> None:
    """Let the doors of `app` ask these `parts` from now on, by their names in `Services`.

    Parts that were built from the former ones keep those.
    """
    app.extensions[KEY] = replace(services_of(app), **parts)


def job(app: Flask, name: str) -> Any:
    """The task `notifier.<name>` of this application."""
    return services_of(app).celery.tasks[f"notifier.{name}"]
