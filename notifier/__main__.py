"""`python -m notifier`: the notifier command."""

from typing import TYPE_CHECKING

from notifier.cli.lazy import load
from notifier.cli.main import build

if TYPE_CHECKING:
    from flask import Flask

    from notifier.config.settings import Settings


def _create_app() -> "Flask":
    """Import the application when a command needs one: `--help` does without (see `notifier.cli.lazy`)."""
    app: Flask = load("notifier.app:create_app")()
    return app


def _load_settings() -> "Settings":
    settings: Settings = load("notifier.config.loading:load_settings")()
    return settings


cli = build(_create_app, _load_settings)

if __name__ == "__main__":
    cli(prog_name="notifier")
