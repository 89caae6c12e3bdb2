"""`python -m notifier`: the notifier command."""

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from notifier.cli.main import build

if TYPE_CHECKING:
    from flask import Flask


def _create_app() -> "Flask":
    """Import the application when a command needs one: `--help` does without (see `notifier.cli.lazy`)."""
    app: Flask = resolve_name("notifier.app:create_app")()
    return app


cli = build(_create_app)

if __name__ == "__main__":
    cli(prog_name="notifier")
