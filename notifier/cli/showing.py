"""How commands show things: tables for people, progress beside them."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

#: Columns of tables where no terminal says how wide it is.
WIDTH = 130


def show(headings: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
    """A table of plain texts; nothing where there are no rows."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row))
    (Console() if sys.stdout.isatty() else Console(width=WIDTH)).print(table)


def cell(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {cell(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def tell(value: Any) -> None:
    """One JSON value on one line."""
    click.echo(as_text(value))


def as_text(value: Any) -> str:
    """As JSON; moments in ISO 8601."""
    return json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON takes it."""
    return asdict(value)


def span(seconds: float | None) -> str:
    """About how long, for people."""
    if seconds is None:
        return "nobody can know"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return str(timedelta(seconds=round(seconds / 60) * 60)).removesuffix(":00") + " h"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error that hears (done, of how many); it is gone at the end."""
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def told(done: int, total: int | None = None) -> None:
            bars.update(bar, completed=done, total=total)

        yield told
