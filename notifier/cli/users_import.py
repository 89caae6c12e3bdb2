"""`notifier users import`: people from a CSV file."""

from contextlib import ExitStack

import click
from flask import Flask

from notifier import clock
from notifier.cli.context import with_app
from notifier.cli.import_files import dry_run_option, encoding_option, opened, problems_to, report_option
from notifier.cli.main import root_of
from notifier.cli.options import as_json_option
from notifier.cli.showing import on_one_line, progress, say, show, tell
from notifier.extensions import db
from notifier.imports.files import DELIMITERS, FileError, Table, TextFile
from notifier.imports.lines import ColumnMap, LineReader, Problem, confirmation_date
from notifier.imports.people import Responsibility
from notifier.imports.running import PeopleImport, Tally
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

INSIDE = "Here, people are the users of your application: import them there, and run: flask notifier users sync"


@click.command("import")
@click.argument("source", metavar="FILE.csv", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--map", "named", multiple=True, metavar="NAME=COLUMN", help="Our column NAME is the file's COLUMN.")
@click.option("--confirmed-at", metavar="DATE", help="Since when addresses without a date of their own are confirmed.")
@click.option("--basis", metavar="TEXT", help="Why you may say so; it is kept as evidence.")
@encoding_option
@click.option("--delimiter", type=click.Choice([*DELIMITERS, "tab"]), help="By default the one in the header.")
@report_option
@dry_run_option
@as_json_option
@with_app
@click.pass_context
def import_(
    context: click.Context,
    app: Flask,
    source: str,
    named: tuple[str, ...],
    confirmed_at: str | None,
    basis: str | None,
    encoding: str | None,
    delimiter: str | None,
    report: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add and change people by a CSV file, or by - for standard input.

    Columns: external_id, email, name, locale, timezone, confirmed_at, attributes.NAME. An import can only weaken what
    people agreed to. The same file twice changes nothing, so an import that was interrupted is started again. Exits
    with 1 if lines were refused.
    """
    if root_of(context).host is not None:
        raise click.ClickException(INSIDE)
    vouched = _responsibility(confirmed_at, basis)
    with ExitStack() as stack:
        file = stack.enter_context(opened(source))
        try:
            table = Table(TextFile(file, encoding), "\t" if delimiter == "tab" else delimiter)
            columns = ColumnMap(table.header, _pairs(named))
        except FileError as error:
            raise click.ClickException(str(error)) from None
        first: list[Problem] = []
        refuse = stack.enter_context(problems_to(report, first))
        told = stack.enter_context(progress("importing people"))
        done = PeopleImport(
            session=db.session,
            reader=LineReader(columns, addresses=app.config["ADDRESSES"], now=clock.now()),
            keys=services_of(app).settings.secret_keys,
            now=clock.now(),
            responsibility=vouched,
            dry_run=dry_run,
            on_problem=refuse,
            on_progress=lambda line: told(line, table.file.lines),
        ).run(table.rows(), COMMAND_LINE)
    _tell(done, first, columns.unused, dry_run=dry_run, as_json=as_json)
    if done.refused:
        context.exit(1)


def _pairs(named: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in named:
        ours, equals, theirs = text.partition("=")
        if not equals or not theirs.strip():
            raise click.UsageError("--map takes NAME=COLUMN, such as email=EMAIL_ADDRESS.")
        if ours.strip() in pairs:
            raise click.UsageError(f"--map names {ours.strip()} twice.")
        pairs[ours.strip()] = theirs.strip()
    return pairs


def _responsibility(confirmed_at: str | None, basis: str | None) -> Responsibility | None:
    if confirmed_at is None and basis is None:
        return None
    if confirmed_at is None or not basis or not basis.strip():
        raise click.UsageError("--confirmed-at and --basis belong together.")
    if len(basis) > 500:
        raise click.UsageError("--basis takes 500 characters at most.")
    try:
        return Responsibility(confirmation_date(confirmed_at, clock.now()), basis.strip())
    except ValueError as error:
        raise click.UsageError(f"--confirmed-at: {error}.") from None


def _tell(done: Tally, first: list[Problem], unused: list[str], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        problems = [{"line": each.line, "column": each.column, "problem": each.text} for each in first]
        tell(done.numbers() | {"dry_run": dry_run, "unused_columns": unused, "problems": problems})
        return
    show(("line", "column", "problem"), [(each.line, each.column, each.text) for each in first])
    if done.refused > len(first):
        say(f"… and {done.refused - len(first):,} more lines: --report FILE writes all of them.")
    if unused:
        say(f"Columns that were not used: {on_one_line(', '.join(unused))}.")
    would = "Nothing was changed. It would be this. " if dry_run else ""
    say(
        f"{would}Lines: {done.lines:,}; people new: {done.created:,}, changed: {done.changed:,}, unchanged: "
        f"{done.unchanged:,}; lines refused: {done.refused:,}."
    )
    without = done.unconfirmed - done.held_back
    if without:
        say(f"{without:,} of {done.stored:,} {_have(without)} no confirmation date: campaigns will not reach them.")
    if done.held_back:
        say(
            f"{done.held_back:,} {_have(done.held_back)} a date that does not count, because the address is suppressed "
            "or because we asked them to confirm it and they have not: campaigns will not reach them."
        )
    if done.opted_out:
        say(f"{done.opted_out:,} {_have(done.opted_out)} an address that opted out before, and stay opted out.")


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
