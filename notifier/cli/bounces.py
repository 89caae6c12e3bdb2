"""`notifier bounces`: what came back. Classifying needs no database, no settings and no application."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from notifier.bounces.files import Found, emails_in, emails_of
from notifier.bounces.reading import Report, read
from notifier.cli.commands import BOUNCES
from notifier.cli.lazy import LazyGroup
from notifier.cli.showing import show, tell

HEADINGS = ("file", "kind", "verdict", "reason", "code", "enhanced", "recipients", "notification")


@click.group(cls=LazyGroup, lazy=BOUNCES)
def bounces() -> None:
    """Understand emails that came back."""


@click.command("classify")
@click.argument("files", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each email.")
def classify(files: tuple[str, ...], as_json: bool) -> None:
    """Tell bounces, complaints and automatic replies apart, and what they say.

    FILES are emails, mboxes, folders of emails or Maildirs; - is standard input. It changes nothing and needs no
    database. Exit with 1 if a file cannot be read.
    """
    unreadable = False
    rows: list[tuple[object, ...]] = []
    for found in _found(files):
        unreadable = unreadable or bool(found.error)
        if as_json:
            tell(_error(found) if found.error else as_object(found.name, read(found.data)))
        elif found.error:
            rows.append((found.name, "error", "", found.error, "", "", "", ""))
        else:
            rows.append(_row(found.name, read(found.data)))
    show(HEADINGS, rows)
    if unreadable:
        sys.exit(1)


def _found(files: tuple[str, ...]) -> Iterator[Found]:
    for each in files:
        if each == "-":
            yield from emails_of("-", sys.stdin.buffer)
        else:
            yield from emails_in(Path(each))


def as_object(name: str, report: Report) -> dict[str, Any]:
    """Return what is printed as JSON about one email."""
    return {
        "file": name,
        "kind": report.kind,
        "verdict": report.verdict,
        "reason": report.reason,
        "code": report.code,
        "enhanced": report.enhanced,
        "recipients": list(report.recipients),
        "notification": report.notification,
    }


def _error(found: Found) -> dict[str, str]:
    return {"file": found.name, "error": found.error}


def _row(name: str, report: Report) -> tuple[object, ...]:
    row: dict[str, object] = as_object(name, report) | {"recipients": ", ".join(report.recipients)}
    return tuple(row[each] for each in HEADINGS)
