"""Commands about rows: the schema, seeds, the sweep, health."""

import sys
from dataclasses import asdict

import click
from flask import Flask
from rich.text import Text
from sqlalchemy import func, select

from notifier import clock
from notifier.accounts.seed_history import PAST, plant_history
from notifier.accounts.seeds import seed as plant
from notifier.campaigns.default_campaigns import load
from notifier.cli import upgrading
from notifier.cli.context import for_report, with_app
from notifier.cli.operators import make_first_operator
from notifier.cli.problems import told
from notifier.cli.showing import progress, say, show, tell
from notifier.database import identity
from notifier.extensions import db
from notifier.models import Campaign, User
from notifier.services import services_of

#: Activities of each user, on average, if a history is asked for: enough that most months have some.
ACTIVITIES_OF_HISTORY = 40


@click.group("db")
def database() -> None:
    """Manage the schema of the database."""


@database.command("upgrade")
@click.option("--first-operator", is_flag=True, hidden=True, help="For `up`: create an admin user if there is none.")
@with_app
def upgrade(app: Flask, first_operator: bool) -> None:
    """Bring the schema to the newest version. Safe to run again.

    A new database gets the default campaigns. They are active, but paused in production until you start them.
    """
    settings = services_of(app).settings
    upgrading.upgrade(
        lock_timeout=settings.migration_lock_timeout,
        tries=settings.migration_lock_tries,
        tell=lambda line: say(line, err=True),
    )
    _load_into_new(app)
    _adopt_new()
    say("The database is up to date.")
    if first_operator:
        make_first_operator(app)


def _adopt_new() -> None:
    """Record the identity of a database that has none: it is new, or older than this feature."""
    session = db.session()
    if not identity.is_adopted(session):
        identity.adopt(session, clock.now())
    elif identity.is_restored(session):
        say(f"{identity.HELD[0].upper()}{identity.HELD[1:]}.", err=True)
    session.commit()


def _load_into_new(app: Flask) -> None:
    session = db.session()
    if session.scalar(select(func.count()).select_from(Campaign)):
        return
    look_first = (
        "new: check it, then run notifier campaign resume" if app.config["NOTIFIER_ENV"] == "production" else None
    )
    load(session, services_of(app).kinds, now=clock.now(), paused_reason=look_first)
    session.commit()


@click.command()
@click.option("--users", type=click.IntRange(1, 10_000_000), required=True, help="How many users to add.")
@click.option("--verified", type=click.FloatRange(0, 1), default=0.7, show_default=True, help="Share that is verified.")
@click.option("--activities", type=click.IntRange(0, 1000), default=0, show_default=True, help="Average for each user.")
@click.option("--history", is_flag=True, help="Add emails of the last 90 days, too, with activities to report on.")
@click.option("--seed", "number", type=int, default=1, show_default=True, help="The same number gives the same people.")
@with_app
def seed(app: Flask, users: int, verified: float, activities: int, history: bool, number: int) -> None:
    """Add made-up users at reserved domains. Refused in production."""
    if app.config["NOTIFIER_ENV"] == "production":
        raise click.ClickException("seed adds made-up users, so it does not run in production")
    above = db.session.scalar(select(func.coalesce(func.max(User.id), 0))) or 0
    activities = activities or (ACTIVITIES_OF_HISTORY if history else 0)
    with progress("users") as on_progress:
        steps = plant(db.session(), users=users, verified=verified, activities=activities, now=clock.now(), seed=number)
        for done in steps:
            on_progress(done, users)
    say(f"Added {users:,} users.")
    if history:
        emails = plant_history(db.session, above=above, now=clock.now(), seed=number)
        say(f"Added {emails:,} emails of the last {PAST.days} days, and what came back.")


@click.group()
def outbox() -> None:
    """Manage waiting emails."""


@outbox.command("sweep")
@with_app
def sweep(app: Flask) -> None:
    """Queue waiting emails now, and free those of a lost worker. Exit with 1 if the broker is away."""
    swept = services_of(app).sweep.run()
    requests = services_of(app).account_requests.sweep()
    refused = swept.refused + requests.refused
    say(
        f"enqueued {swept.enqueued + requests.enqueued}, given back {swept.leases_expired}, expired {swept.expired}, "
        f"not enqueued because the broker is away {refused}"
    )
    if refused:
        sys.exit(1)


@outbox.command("retry")
@with_app
def retry(app: Flask) -> None:
    """Retry sign-up requests that failed too often. `health` counts them."""
    count = services_of(app).account_requests.retry_failed()
    say(f"Sign-up requests to be retried: {count}.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@for_report
def health(app: Flask, as_json: bool) -> None:
    """Check everything that sending depends on. Exit with 1 if a check fails."""
    look = services_of(app).watch.look()
    if as_json:
        causes = {check.name: problem.key for problem in look.problems for check in problem.checks}
        tell([asdict(finding) | {"cause": causes.get(finding.name)} for finding in look.checks])
    else:
        for problem in look.problems:
            for line in told(problem, services_of(app).settings.runbook_url, clock.now()):
                say(line)
        verdicts = {True: Text("ok", "green"), False: Text("WRONG", "red")}
        show(("", "check", "detail"), [(verdicts[each.ok], each.name, each.detail) for each in look.checks])
    if look.problems:
        sys.exit(1)
