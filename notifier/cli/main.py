"""`notifier`: the command of operators and developers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from notifier import __version__, extras
from notifier.cli.commands import COMMANDS, INSIDE, REFUSED_INSIDE
from notifier.cli.lazy import LazyGroup, load
from notifier.mail.characters import escaped

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine

    from notifier.config.settings import Settings
    from notifier.embedding import Notifier


@dataclass(frozen=True)
class Root:
    """What commands ask for: an application, or the settings alone. Neither is imported or built before."""

    app: "Callable[[], Flask]"
    settings: "Callable[[], Settings]"
    #: The `Notifier` of the application that embeds us; None if there is none.
    host: "Callable[[], Notifier] | None" = None
    #: The engine of that application, which commands share; None: they open one from the settings.
    engine: "Engine | None" = None


class Command(LazyGroup):
    """The command. Its errors are made safe to show, because they quote typed text and replies of servers.

    `refused`: the commands that make no sense here, each with a sentence that says what to do instead.
    """

    def __init__(self, *args: Any, refused: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.refused = refused

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; for a refused one, return one that says so, with any arguments."""
        reason = self.refused.get(cmd_name)
        return super().get_command(ctx, cmd_name) if reason is None else _refusing(cmd_name, reason)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands that make sense here."""
        return [name for name in super().list_commands(ctx) if name not in self.refused]

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


def root_of(context: click.Context) -> Root:
    """Return what this command may ask for. Above it may be a command of an application that embeds us."""
    root = context.find_object(Root)
    assert root is not None, "set by the command that `build` made"
    return root


def build(
    create_app: "Callable[[], Flask]",
    load_settings: "Callable[[], Settings] | None" = None,
    host: "Callable[[], Notifier] | None" = None,
    engine: "Engine | None" = None,
) -> click.Group:
    """Build the command. It calls `create_app`, `load_settings` and `host` only if a subcommand needs them.

    Without `load_settings`, the settings are those of the application. `host` gives the `Notifier` of an application
    that embeds us, in whose context the command then runs; `engine` is that application's.
    """

    @click.group(
        cls=Command,
        lazy=COMMANDS if host is None else COMMANDS | INSIDE,
        refused={} if host is None else REFUSED_INSIDE,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.version_option(__version__, prog_name="notifier", message="%(prog)s %(version)s")
    @click.pass_context
    def cli(context: click.Context) -> None:
        """Email and lifecycle notifications: every email is a ledger row first."""
        app = cache(create_app)
        context.obj = Root(app, load_settings or (lambda: _settings_of(app())), host, engine)

    return cli


def _refusing(name: str, reason: str) -> click.Command:
    def refuse() -> None:
        raise click.ClickException(reason)

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=refuse, context_settings=anything, add_help_option=False)


def _settings_of(app: "Flask") -> "Settings":
    settings: Settings = load("notifier.services:services_of")(app).settings
    return settings
