"""`notifier unknown list | resend | accept`: emails whose delivery is uncertain, decided many at once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from flask import Flask

from notifier import clock
from notifier.campaigns.lookup import campaign_named
from notifier.cli.campaign import plainly
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import plain, say, show, tell
from notifier.database.snapshot import reading
from notifier.explain.unknowns import UncertainFilter, UncertainGroup, decide, groups
from notifier.extensions import db
from notifier.models import Status
from notifier.operators.audit_log import COMMAND_LINE


@click.group("unknown")
def unknown() -> None:
    """Handle emails whose delivery is uncertain. List them, send them again, or record them as sent."""


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select emails."""
    for option in (
        click.option("--run", "run_id", type=int, help="Emails of this run."),
        click.option("--campaign", "name", help="Emails of this campaign."),
        click.option("--host", help="Emails that a worker on this host held, as `list` names it."),
    ):
        command = option(command)
    return command


deciding = (
    click.option("--all", "everything", is_flag=True, help="All of them, without another filter."),
    click.option("--yes", is_flag=True, help="Don't ask for confirmation."),
)


@unknown.command("list")
@filters
@as_json_option
@with_app
@plainly
def list_(app: Flask, run_id: int | None, name: str | None, host: str | None, as_json: bool) -> None:
    """List the emails that need a decision, by host and run. Changes nothing."""
    with reading(db.session):
        found = groups(db.session(), _which(run_id, name, host))
    if as_json:
        tell([plain(group) for group in found])
        return
    _show(found)
    if not found:
        say("No email is uncertain.")


@unknown.command("resend")
@filters
@deciding[0]
@deciding[1]
@as_json_option
@with_app
@plainly
def resend(app: Flask, **options: Any) -> None:
    """Send these emails again, with the same Message-ID. Recipients whom the first copy reached get a second one."""
    _decide(Status.pending, "Send {count:,} emails again?", "Sent again within seconds: {count:,}", **options)


@unknown.command("accept")
@filters
@deciding[0]
@deciding[1]
@as_json_option
@with_app
@plainly
def accept(app: Flask, **options: Any) -> None:
    """Record these emails as sent. Recipients whom the first copy did not reach get none."""
    _decide(Status.sent, "Record {count:,} emails as sent?", "Recorded as sent: {count:,}", **options)


def _decide(
    to: Status, question: str, answer: str, *, run_id: int | None, name: str | None, host: str | None,
    everything: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    # Emails that become uncertain while the operator reads the question are not covered by the answer.
    with reading(db.session):
        which = _which(run_id, name, host, before=clock.now())
        if which.any == everything:
            raise click.UsageError("Say which emails: --run, --campaign or --host; or --all.")
        found = groups(db.session(), which)
    count = sum(group.emails for group in found)
    if not as_json:
        _show(found)
    if count and not yes:
        click.confirm(question.format(count=count), abort=True, err=True)
    decided = decide(db.session, which, to, by=COMMAND_LINE) if count else 0
    if as_json:
        tell({"decided": decided})
    else:
        say(answer.format(count=decided) if count else "No email is uncertain.")


def _which(run_id: int | None, name: str | None, host: str | None, before: datetime | None = None) -> UncertainFilter:
    """Return the selection. Raise CampaignError for a campaign that does not exist."""
    campaign = None if name is None else campaign_named(db.session(), name).id
    return UncertainFilter(run=run_id, campaign=campaign, host=host or "", before=before)


def _show(found: list[UncertainGroup]) -> None:
    rows = [
        (group.host or "?", str(group.campaign or ""), str(group.run or ""), group.emails, group.oldest, group.newest)
        for group in found
    ]
    show(("host", "campaign", "run", "emails", "uncertain since (UTC)", "newest"), rows)
