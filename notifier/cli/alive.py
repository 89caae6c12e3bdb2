"""The health check of one process, for containers."""

import click
from flask import Flask

from notifier.cli.context import with_app


@click.command()
@click.argument("process")
@with_app
def alive(app: Flask, process: str) -> None:
    """Does PROCESS do its work? PROCESS is beat, or the name of a worker such as mail@host.

    Exit 1 only for what a restart of this process may mend. For everything else there is `notifier health`.
    """
    finding = app.extensions["notifier.is_alive"](process)
    click.echo(f"{finding.name} {finding.detail}")
    if not finding.ok:
        raise SystemExit(1)
