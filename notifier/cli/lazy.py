"""A group that imports a command when it runs, after LazyGroup in Click's documentation ("Lazily Loading Subcommands").

Most commands import the whole application, which takes seconds. `--help` doesn't need it, and no command needs another.
Only `load` imports by name, because an `import` inside a function would hide what a module depends on. Commands are
listed in `notifier.cli.commands`; `notifier.__main__` and `notifier.cli.main` name the application and the settings.
"""

import gc
import sys
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, NamedTuple

import click


def load(path: str) -> Any:
    """Import and return `path` ("package.module:name").

    Modules stay until the process ends, so garbage collection pauses meanwhile and ignores their objects afterwards:
    to search them, also at the end of the process, takes as long as a third of a short command.
    """
    if path.partition(":")[0] in sys.modules:
        return resolve_name(path)
    collects = gc.isenabled()
    gc.disable()
    try:
        return resolve_name(path)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


class Lazy(NamedTuple):
    """Where a command is ("package.module:name"), and the first sentence of its help."""

    path: str
    summary: str

    def shortened(self, name: str, room: int) -> str:
        """Return the summary in at most `room` characters, as Click shortens it."""
        return click.Command(name, help=self.summary).get_short_help_str(room)


class LazyGroup(click.Group):
    """A group of the commands in `lazy` (name -> command)."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, without importing a command."""
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if there is none of this name."""
        found = self.lazy.get(cmd_name)
        if found is None:
            return None
        command: click.Command = load(found.path)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and summaries. Click's own method would import every command."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.lazy[name].shortened(name, room)) for name in names])
