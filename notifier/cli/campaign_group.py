"""`notifier campaign`: a group whose commands are imported when they run."""

import click

from notifier.cli.commands import CAMPAIGN
from notifier.cli.lazy import LazyGroup


@click.group(cls=LazyGroup, lazy=CAMPAIGN)
def campaign() -> None:
    """Manage campaigns: scheduled emails to many recipients."""
