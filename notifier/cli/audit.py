"""`notifier audit | repair`: check that the counts of a run add up, and send only to people who were missed."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask

from notifier.cli.campaign import plainly
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import cell, plain, progress, say, show, tell
from notifier.database import identity
from notifier.explain.audit import Compared, Report
from notifier.explain.audit_comparison import Discrepancies
from notifier.explain.audit_evidence import Progress, Seen, from_file, from_inbox
from notifier.explain.repair import Damage
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

#: Discrepancies that a table shows of each sort; programs get more.
LINES = 20

inbox_option = click.option("--inbox", "url", metavar="URL", help="An inbox with MailHog's API.")
accepted_option = click.option(
    "--accepted",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='A log of accepted emails: on each line a Message-ID, alone or first, or JSON with "message_id".',
)


@click.command("audit")
@click.option("--run", "run_id", type=int, help="This run only.")
@inbox_option
@accepted_option
@as_json_option
@with_app
@plainly
def audit_(app: Flask, run_id: int | None, url: str | None, path: Path | None, as_json: bool) -> None:
    """Check that the counts add up and match an inbox. If not, list why and exit with 1. Changes nothing."""
    auditor = services_of(app).audit
    with progress("comparing") as on_progress:
        report = auditor.of(run_id, evidence(url, path, on_progress), on_progress=lambda done: on_progress(done, None))
    if as_json:
        tell(_as_json(report))
    else:
        _show(report)
    if not report.ok:
        sys.exit(1)


def evidence(url: str | None, path: Path | None, on_progress: Progress) -> Iterator[Seen] | None:
    """Return the emails of the inbox at `url` or of the log at `path`, or None."""
    if url is not None and path is not None:
        raise click.UsageError("Give --inbox or --accepted, not both.")
    if url is not None:
        return from_inbox(url, on_progress)
    return None if path is None else from_file(path, on_progress)


def _written(path: Path | None) -> datetime | None:
    """Return the time up to which a log is complete."""
    return None if path is None else datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _as_json(report: Report) -> dict[str, object]:
    compared = None
    if report.compared is not None:
        compared = plain(report.compared) | {"ok": report.compared.ok}
        for name in ("missing", "extra", "strangers"):
            found: Discrepancies = getattr(report.compared, name)
            compared[name] = {"count": found.count, "named": [each._asdict() for each in found.named]}
    runs = [plain(run) | {"waiting": run.waiting, "difference": run.difference} for run in report.runs]
    return {
        "ok": report.ok,
        "restored": report.restored,
        "runs": runs,
        "duplicates": report.twice,
        "doubled": [plain(each) for each in report.doubled],
        "beside": compared,
    }


def _show(report: Report) -> None:
    rows = [
        (str(run.id), run.campaign, run.named, run.state, run.planned, run.emails, run.waiting, run.difference or "ok")
        for run in report.runs
    ]
    show(("run", "campaign", "slot", "state", "planned", "emails", "of them waiting", "missing rows"), rows)
    say(f"Recipients with the same email twice: {report.twice:,}")
    doubled = [(each.recipient, each.key, each.rows) for each in report.doubled[:LINES]]
    show(("recipient", "mail", "rows"), doubled)
    if report.compared is not None:
        _show_compared(report.compared)
    if report.restored:
        say(f"{identity.HELD[0].upper()}{identity.HELD[1:]}.")
    say("It adds up." if report.ok else "It does not add up.")


def _show_compared(compared: Compared) -> None:
    say(
        f"Rows compared: {compared.rows:,}; copies there: {compared.copies:,}, "
        f"of them explained by lost connections: {compared.explained:,}; uncertain, and there: {compared.arrived:,}"
    )
    if compared.under_way:
        say(f"Emails being sent right now: {compared.under_way:,}. Audit again when they have been sent.")
    sorts = {
        "sent by the ledger, but not there": compared.missing,
        "more copies than there can be": compared.extra,
        "there, but not in the ledger": compared.strangers,
    }
    for what, found in sorts.items():
        say(f"{what[0].upper()}{what[1:]}: {found.count:,}")
        rows = [
            (each.notification_id or "", each.status, each.recipient, each.copies, each.message_id)
            for each in found.named[:LINES]
        ]
        show(("mail", "status", "recipient", "copies", "Message-ID"), [tuple(map(_as_is, row)) for row in rows])
        if found.count > LINES:
            say(f"… and {found.count - LINES:,} more")


def _as_is(value: object) -> str:
    """Return the keys as text, without thousands separators."""
    return str(value) if isinstance(value, int) else cell(value)


@click.command("repair")
@click.option("--run", "run_id", type=int, required=True)
@inbox_option
@accepted_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@as_json_option
@with_app
@plainly
def repair_(
    app: Flask, run_id: int, url: str | None, path: Path | None, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Send only to people whom a run missed. Nothing is sent twice.

    People whom the rule selects, whom the run passed and who have no row get the email. People whose provider refused
    us, as bounces reported later, get a new one. Emails that are due are queued.
    With --inbox or --accepted, emails whose delivery is uncertain are recorded as sent if they are there. If they are
    not, --accepted sends them again, even if the campaign says `never`: FILE must have every email that the mail server
    accepted until it was written. --inbox sends them again if the campaign says `ask`. Emails that the ledger has as
    sent, failed, skipped or expired are never sent again.
    """
    repair = services_of(app).repair
    with progress("looking") as on_progress:
        damage = repair.look(run_id, evidence(url, path, on_progress), complete_until=_written(path))
    if not as_json:
        _show_damage(damage)
    if dry_run or not damage.any:
        if as_json:
            tell({"damage": plain(damage), "repaired": None})
        return
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    with progress("repairing") as on_progress:
        done = repair.mend(damage, by=COMMAND_LINE, on_progress=on_progress)
    if as_json:
        tell({"damage": plain(damage), "repaired": plain(done)})
        return
    say(
        f"People who get the email now: {done.owed:,}; emails queued: {done.enqueued:,}; "
        f"recorded as sent: {done.arrived:,}; to be sent again: {done.again:,}"
    )


def _show_damage(damage: Damage) -> None:
    say(f"Run {damage.run_id} of {damage.campaign}")
    show(
        ("", ""),
        [
            ("people without this email", damage.people),
            ("emails that are due and wait", damage.waiting),
            ("came back because the provider refused us: sent anew", len(damage.refused)),
            ("uncertain, and there: recorded as sent", len(damage.arrived)),
            ("uncertain, and not there: sent again", len(damage.lost)),
            ("uncertain, and not there: unchanged", len(damage.left)),
            ("sent by the ledger, but not there: unchanged", damage.sent_but_missing),
        ],
    )
    if not damage.any:
        say("Nothing needs repair.")
