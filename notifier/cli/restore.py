"""`notifier restore`: the step between restoring a backup and sending again."""

from pathlib import Path

import click
from flask import Flask

from notifier.cli.audit import accepted_option, evidence, inbox_option
from notifier.cli.campaign import plainly
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import progress, say, show, tell
from notifier.explain.restore import RestoreFindings
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of


@click.group()
def restore() -> None:
    """Prevent sending emails twice after a backup was restored."""


@restore.command()
@inbox_option
@accepted_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@as_json_option
@with_app
@plainly
def reconcile(app: Flask, url: str | None, path: Path | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Record emails sent since the backup; then sending may begin.

    They are the emails that a mail server accepted, or that an inbox holds. Stop web, workers and beat,
    restore, reconcile, start. The log must begin before the backup was made. Emails in it become sent; those whose rows
    were lost are remembered, so that no campaign sends them again.
    """
    reconciliation = services_of(app).reconciliation
    with progress("comparing") as on_progress:
        seen = evidence(url, path, on_progress)
        if seen is None:
            raise click.UsageError("Give --accepted FILE or --inbox URL: the emails that were sent since the backup.")
        found = reconciliation.look(seen)
    if not as_json:
        _show(found)
    if dry_run:
        if as_json:
            tell({"found": _as_json(found), "reconciled": None})
        return
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    done = reconciliation.mend(found, by=COMMAND_LINE)
    if as_json:
        tell({"found": _as_json(found), "reconciled": {"sent": done.sent, "unrecorded": done.noted}})
    else:
        say(f"Recorded as sent: {done.sent:,}; remembered without a row: {done.noted:,}. Sending may begin.")


@restore.command()
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_app
def release(app: Flask, yes: bool) -> None:
    """Confirm that no email was sent since the backup. Sending may begin, as after a planned move."""
    reconciliation = services_of(app).reconciliation
    if not reconciliation.is_restored():
        say("Nothing is on hold: this database is the one in use.")
        return
    if not yes:
        click.confirm(
            "Emails that were sent since the backup will be sent again. Are you sure that none was sent?",
            abort=True,
            err=True,
        )
    reconciliation.release(by=COMMAND_LINE)
    say("Sending may begin.")


def _as_json(found: RestoreFindings) -> dict[str, int]:
    return {
        "copies": found.copies,
        "foreign": found.foreign,
        "known": found.known,
        "open": len(found.open),
        "unrecorded": len(found.unrecorded),
    }


def _show(found: RestoreFindings) -> None:
    show(
        ("", ""),
        [
            ("emails read", found.copies),
            ("not from this service", found.foreign),
            ("already recorded as sent", found.known),
            ("to be sent by the database: recorded as sent", len(found.open)),
            ("without a row: remembered, so that no campaign sends them again", len(found.unrecorded)),
        ],
    )
    if not found.known:
        say(
            "None of them is recorded as sent already. Does the log begin before the backup was made? "
            "Emails sent between the two are sent again."
        )
