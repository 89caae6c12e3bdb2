"""The screen of a person on call."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

import click
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from notifier import clock, english
from notifier.cli.context import for_report
from notifier.cli.problems import told
from notifier.cli.showing import say, tell
from notifier.config.settings import Settings
from notifier.database.transaction import read_only
from notifier.extensions import db
from notifier.observability.causes import Problem
from notifier.observability.on_call import Facts, Going, facts, going
from notifier.services import services_of

#: The exit code says whether email goes out.
EXIT = {Going.yes: 0, Going.partly: 1, Going.no: 3}

_ANSWERS = {Going.yes: "Yes.", Going.partly: "Partly: some emails wait.", Going.no: "No."}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@for_report
def status(app: Flask, as_json: bool) -> None:
    """Say on one screen whether email goes out, how late, whose, what changed, and how to stop it.

    It works while the database, the broker or the mail server is away, and takes ten seconds at most. Exit with 0 if
    email goes out, 1 if some of it waits, 3 if none goes out.
    """
    parts = services_of(app)
    look = parts.watch.look()
    known, now = _facts(look.problems), clock.now()
    answer = going(look.problems)
    if as_json:
        tell(_for_programs(answer, look.problems, known))
    else:
        for line in _lines(answer, look.problems, known, parts.settings, now):
            say(line)
    sys.exit(EXIT[answer])


def _facts(problems: Sequence[Problem]) -> Facts | None:
    """Return what the database knows; None if it did not answer a moment ago, or does not now."""
    if any(problem.key == "database" for problem in problems):
        return None
    read_only()
    try:
        return facts(db.session(), clock.now())
    except SQLAlchemyError:
        return None


def _lines(
    answer: Going, problems: Sequence[Problem], known: Facts | None, settings: Settings, now: datetime
) -> Iterator[str]:
    yield f"Is email going out now?     {_ANSWERS[answer]}"
    for problem in problems:
        yield from (f"  {line}" for line in told(problem, settings.runbook_url, now))
    if known is None:
        yield "How late? Whose? What changed?  Not known: the database does not answer."
    else:
        yield from _of_database(known, now)
    yield f"Can I stop and resume?      {_stopping(problems, known, settings)}"
    yield "  One campaign: notifier campaign pause NAME, then resume NAME. All: stop the workers, then start them."


def _of_database(known: Facts, now: datetime) -> Iterator[str]:
    counts = known.counts
    more = "+" if counts.is_at_least else ""
    numbers = [f"{counts.due:,}{more} overdue", f"{counts.scheduled:,}{more} scheduled"]
    numbers += [f"{counts.held:,} held"] if counts.held else []
    numbers += [f"{counts.unknown:,} uncertain"] if counts.unknown else []
    if known.requests:
        numbers.append(f"{known.requests:,} sign-up request{' waits' if known.requests == 1 else 's wait'}")
    oldest = f"; the oldest overdue one has been waiting for {english.duration(counts.oldest)}" if counts.oldest else ""
    last = "never" if known.last_sent_at is None else english.ago(now - known.last_sent_at)
    yield f"How late?                   {', '.join(numbers)}{oldest}. Last email accepted: {last}."
    none_late = not known.whose and not known.holds and not known.requests
    yield "Whose?" + ("                      No email is late." if none_late else "")
    if known.requests:
        yield "  people who have just signed up: their emails are made when a worker runs and the broker answers"
    for each in known.whose:
        yield f"  {each.whose}: {each.emails:,} overdue, the oldest for {english.duration(each.oldest_seconds)}"
    for hold in known.holds:
        since = f" for {english.duration(now - hold.since)}" if hold.since else ""
        until = f", next try {english.ago(now - hold.until)}" if hold.until else ""
        word = "slowed" if hold.is_slowdown else "held"
        yield f"  {hold.scope} {hold.name}: {word}{since}, {hold.count} waiting{until}: {hold.said}"
    yield "What changed in 24 hours?" + ("   Nothing that is recorded." if not known.changes else "")
    for change in known.changes:
        yield f"  {change.at:%d %b %H:%M} UTC  {change.what}"


def _stopping(problems: Sequence[Problem], known: Facts | None, settings: Settings) -> str:
    grace = english.about(settings.stop_grace)
    if known is None:
        return "Workers, yes. They keep what was sent in their journals until the database is back."
    sending = known.counts.sending
    if not sending:
        return "Yes. No email is being sent at this moment."
    emails = f"{sending:,} email{' is' if sending == 1 else 's are'} being sent"
    if any(problem.key == "mail server" for problem in problems):
        whose = "its" if sending == 1 else "their"
        return f"With care. {emails} to a server that does not answer: after {grace} {whose} delivery is uncertain."
    return f"Yes. {emails}: a worker that gets SIGTERM finishes them within {grace}, and gives the rest back."


def _for_programs(answer: Going, problems: Sequence[Problem], known: Facts | None) -> dict[str, object]:
    return {
        "going_out": str(answer),
        "problems": [
            {name: value for name, value in asdict(problem).items() if name != "checks"}
            | {"consequences": [check.name for check in problem.consequences]}
            for problem in problems
        ],
        "database": None if known is None else asdict(known) | {"scheduled": known.counts.scheduled},
    }
