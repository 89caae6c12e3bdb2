"""What the commands that import have in common: the file, and the report of what was refused."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

import click

from notifier.imports.files import ENCODINGS
from notifier.imports.lines import Problem

#: Refused lines that are shown; the report has all.
SHOWN = 20


encoding_option = click.option(
    "--encoding", type=click.Choice(ENCODINGS), help="By default UTF-8, or what a byte order mark says."
)
report_option = click.option(
    "--report", type=click.Path(dir_okay=False), help="Write everything that was refused to this file."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """Open a file, or keep standard input in one, because it is read twice."""
    if source == "-":
        with TemporaryFile() as kept:
            copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            raise click.ClickException(f"{source}: {error.strerror}") from None
        yield file


@contextmanager
def problems_to(path: str | None, first: list[Problem]) -> Iterator[Callable[[Problem], None]]:
    """Yield what keeps a refused line: the first ones in `first`, and all of them in the file at `path`."""
    with ExitStack() as stack:
        writer = None
        if path is not None:
            try:
                writer = csv.writer(stack.enter_context(Path(path).open("w", encoding="utf-8-sig", newline="")))
            except OSError as error:
                raise click.ClickException(f"{path}: {error.strerror}") from None
            writer.writerow(("line", "column", "problem"))

        def refuse(problem: Problem) -> None:
            if len(first) < SHOWN:
                first.append(problem)
            if writer is not None:
                # No cell can be a formula: a number, a name of ours, and a sentence of ours.
                writer.writerow((problem.line, problem.column, problem.text))

        yield refuse
