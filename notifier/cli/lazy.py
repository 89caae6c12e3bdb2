"""A group whose commands are imported when they run, after Click's LazyGroup ("Lazily Loading Subcommands").

Most commands import the whole application, which takes seconds; `--help` and every other command need not wait for it.
This is the one place that imports by name. It hides no dependency: `notifier.cli.main` lists what there is.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, NamedTuple

import click
from click.utils import make_default_short_help


class Lazy(NamedTuple):
    """A command: where it is ("package.module:name"), and the first sentence of its help."""

    path: str
    help: str


class LazyGroup(click.Group):
    """A group of the commands in `lazy` (name -> command)."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, without importing a command."""
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command. Raises what its module raises."""
        found = self.lazy.get(cmd_name)
        if found is None:
            return None
        command: click.Command = resolve_name(found.path)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and what is known of the commands; Click's own would import all of them."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, make_default_short_help(self.lazy[name].help, room)) for name in names])
