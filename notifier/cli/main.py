"""`notifier`: the command of operators and developers."""

from collections.abc import Callable
from functools import cache
from typing import Any

import click
from flask import Flask

from notifier import __version__
from notifier.cli.alive import alive
from notifier.cli.audit import audit_, repair_
from notifier.cli.campaign import campaign
from notifier.cli.campaign_runs import tick
from notifier.cli.data import database, health, outbox, seed
from notifier.cli.dns import check_dns
from notifier.cli.explain import plan_, simulate_, why_
from notifier.cli.operators import operator
from notifier.cli.people import person
from notifier.cli.restore import restore
from notifier.cli.unknown import unknown
from notifier.cli.up import up
from notifier.mail.characters import escaped


class Command(click.Group):
    """The command. Its errors are made safe to show, because they quote typed text and replies of servers."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command, and make the text of its error safe to show."""
        try:
            return super().invoke(context)
        except click.ClickException as error:
            # The class of the error decides how it is shown, so only its text changes.
            error.message = escaped(error.message)  # type: ignore[misc]
            raise


def build(create_app: Callable[[], Flask]) -> click.Group:
    """Build the command. It calls `create_app` only if a subcommand needs an application."""

    @click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="notifier", message="%(prog)s %(version)s")
    @click.pass_context
    def cli(context: click.Context) -> None:
        """Email and lifecycle notifications: every email is a ledger row first."""
        context.obj = cache(create_app)

    explaining = (plan_, why_, simulate_, audit_, repair_, restore, unknown)
    for command in (
        up, database, operator, person, seed, outbox, campaign, tick, *explaining, health, alive, check_dns
    ):  # fmt: skip
        cli.add_command(command)
    return cli
