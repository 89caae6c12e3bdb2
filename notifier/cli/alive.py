"""The health check of one process, for containers."""

import click
from flask import Flask

from notifier.cli.context import without_database
from notifier.cli.showing import say
from notifier.services import services_of


@click.command()
@click.argument("process")
@without_database
def alive(app: Flask, process: str) -> None:
    """Check one process. PROCESS is beat, alerts, or the name of a worker such as mail@host.

    Exit with 1 only if a restart of this process may help. `notifier health` checks everything else.
    """
    finding = services_of(app).is_alive(process)
    say(f"{finding.name} {finding.detail}")
    if not finding.ok:
        raise SystemExit(1)
