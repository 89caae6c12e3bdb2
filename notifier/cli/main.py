"""`notifier`: the command of operators and developers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from notifier import __version__, extras
from notifier.cli.commands import COMMANDS
from notifier.cli.lazy import LazyGroup, load
from notifier.mail.characters import escaped

if TYPE_CHECKING:
    from flask import Flask

    from notifier.config.settings import Settings
    from notifier.embedding import Notifier


@dataclass(frozen=True)
class Root:
    """What commands ask for: an application, or the settings alone. Neither is imported or built before."""

    app: "Callable[[], Flask]"
    settings: "Callable[[], Settings]"
    #: The `Notifier` of the application that embeds us; None if there is none.
    host: "Callable[[], Notifier] | None" = None


class Command(LazyGroup):
    """The command. Its errors are made safe to show, because they quote typed text and replies of servers."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command, and make the text of its error safe to show."""
        try:
            return super().invoke(context)
        except click.ClickException as error:
            # The class of the error decides how it is shown, so only its text changes.
            error.message = escaped(error.message)  # type: ignore[misc]
            raise
        except extras.MissingExtra as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            missing = extras.missing(error, "This command")
            if missing is None:
                raise
            raise click.ClickException(str(missing)) from None


def build(
    create_app: "Callable[[], Flask]",
    load_settings: "Callable[[], Settings] | None" = None,
    host: "Callable[[], Notifier] | None" = None,
) -> click.Group:
    """Build the command. It calls `create_app`, `load_settings` and `host` only if a subcommand needs them.

    Without `load_settings`, the settings are those of the application. `host` gives the `Notifier` of an application
    that embeds us, in whose context the command then runs.
    """

    @click.group(cls=Command, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="notifier", message="%(prog)s %(version)s")
    @click.pass_context
    def cli(context: click.Context) -> None:
        """Email and lifecycle notifications: every email is a ledger row first."""
        app = cache(create_app)
        context.obj = Root(app, load_settings or (lambda: _settings_of(app())), host)

    return cli


def _settings_of(app: "Flask") -> "Settings":
    settings: Settings = load("notifier.services:services_of")(app).settings
    return settings
