"""`notifier suppressions import`: the suppressions and opt-outs of another system."""

from contextlib import ExitStack
from dataclasses import asdict

import click
from flask import Flask

from notifier import clock
from notifier.cli.context import with_app
from notifier.cli.import_files import dry_run_option, encoding_option, opened, problems_to, report_option
from notifier.cli.options import as_json_option
from notifier.cli.showing import progress, say, show, tell
from notifier.extensions import db
from notifier.imports.exports import plain, sendgrid
from notifier.imports.exports.registry import SYSTEMS, entries_of
from notifier.imports.files import FileError, TextFile
from notifier.imports.lines import Problem
from notifier.imports.suppressing import SuppressionImport, Tally
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--from", "system", required=True, type=click.Choice(SYSTEMS), help="The system that exported it.")
@click.option("--list", "of", type=click.Choice([*sendgrid.LISTS]), help="Which list of SendGrid it is.")
@click.option(
    "--reason", type=click.Choice([*plain.REASONS]), default="manual", show_default=True,
    help="Of lines of a plain CSV file that name none.",
)  # fmt: skip
@encoding_option
@report_option
@dry_run_option
@as_json_option
@with_app
@click.pass_context
def import_(
    context: click.Context,
    app: Flask,
    source: str,
    system: str,
    of: str | None,
    reason: str,
    encoding: str | None,
    report: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add the suppressions and opt-outs of another system by its FILE, or by - for standard input.

    It removes and weakens none. The same file twice changes nothing. Exits with 1 if entries were refused.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(source))
        first: list[Problem] = []
        refuse = stack.enter_context(problems_to(report, first))
        told = stack.enter_context(progress("importing suppressions"))
        work = SuppressionImport(
            session=db.session,
            system=system,
            addresses=app.config["ADDRESSES"],
            keys=services_of(app).settings.secret_keys,
            now=clock.now(),
            dry_run=dry_run,
            on_problem=refuse,
            on_progress=lambda line: told(line, None),
        )
        try:
            done = work.run(entries_of(TextFile(file, encoding), system, of=of, reason=reason), COMMAND_LINE)
        except FileError as error:
            raise click.ClickException(str(error)) from None
    _tell(done, first, dry_run=dry_run, as_json=as_json)
    if done.refused:
        context.exit(1)


def _tell(done: Tally, first: list[Problem], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        problems = [{"line": each.line, "column": each.column, "problem": each.text} for each in first]
        tell(asdict(done) | {"dry_run": dry_run, "problems": problems})
        return
    show(("entry", "column", "problem"), [(each.line, each.column, each.text) for each in first])
    if done.refused > len(first):
        say(f"… and {done.refused - len(first):,} more: --report FILE writes all of them.")
    would = "Nothing was changed. It would be this. " if dry_run else ""
    say(
        f"{would}Entries: {done.entries:,}; addresses suppressed: {done.suppressed:,}, unchanged: {done.known:,}; "
        f"refused: {done.refused:,}."
    )
    if done.opted_out or done.kept:
        say(
            f"People who get no more campaigns: {done.opted_out:,}. Opt-outs of addresses that no person here has, and "
            f"that count for people who are imported later: {done.kept:,}."
        )
    if done.temporary:
        say(f"Not imported, because these refusals will pass: {done.temporary:,}.")
    if done.fine:
        say(f"Not imported, because nothing is wrong with the address: {done.fine:,}.")
