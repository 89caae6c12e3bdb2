"""`notifier`: the command of operators and developers."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from notifier import __version__
from notifier.cli.commands import COMMANDS
from notifier.cli.lazy import LazyGroup
from notifier.mail.characters import escaped

if TYPE_CHECKING:
    from flask import Flask


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


def build(create_app: "Callable[[], Flask]") -> click.Group:
    """Build the command. It calls `create_app` only if a subcommand needs an application."""

    @click.group(cls=Command, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="notifier", message="%(prog)s %(version)s")
    @click.pass_context
    def cli(context: click.Context) -> None:
        """Email and lifecycle notifications: every email is a ledger row first."""
        context.obj = cache(create_app)

    return cli
