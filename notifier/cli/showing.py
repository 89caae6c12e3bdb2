"""Output of commands: tables, progress bars, JSON. Everything that a command prints goes through here.

Values may come from strangers: a name from a sign-up, the reply of a server. No terminal obeys any of them.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from notifier.english import duration
from notifier.mail.characters import escaped

#: Width of tables, in columns, if the output is no terminal.
WIDTH = 130


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print `text` on standard output (`err`: standard error), with a line end after it (`nl`)."""
    click.echo(escaped(text), err=err, nl=nl)


def on_one_line(text: str) -> str:
    """Return `text` within a sentence: its line ends could otherwise begin what looks like a line of ours."""
    return text.replace("\n", "\\n")


def show(headings: tuple[str, ...], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table of plain texts, and nothing if there are no rows. A `Text` keeps its colour."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_header=any(headings), title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else escape(escaped(cell(value))) for value in row))
    (Console() if sys.stdout.isatty() else Console(width=WIDTH)).print(table)


def cell(value: object) -> str:
    """Return a value as it is shown in a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {cell(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def tell(value: Any, default: Callable[[object], object] = _plain) -> None:
    """Print one JSON value on one line."""
    say(as_text(value, default))


def as_text(value: Any, default: Callable[[object], object] = _plain) -> str:
    """Return JSON in ASCII; times are in ISO 8601 unless `default` says otherwise."""
    # The one control character that JSON does not escape.
    return json.dumps(value, default=default).replace("\x7f", "\\u007f")


def as_document(value: Any) -> str:
    """Return JSON with a field on each line, for a file that people look into, too."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def hand_out(text: str, output: IO[str]) -> None:
    """Write `text` to a file as it is; to a terminal, escaped."""
    click.echo(escaped(text) if output.isatty() else text, file=output)


def plain(value: Any) -> dict[str, Any]:
    """Return a dataclass as a mapping for JSON."""
    return asdict(value)


def span(seconds: float | None) -> str:
    """Return a rough duration for people. `seconds` is None if it is unknown."""
    return "unknown" if seconds is None else duration(seconds)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on standard error. Yield a function that takes (done, total)."""
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(escape(escaped(what)), total=None)

        def told(done: int, total: int | None = None) -> None:
            bars.update(bar, completed=done, total=total)

        yield told
