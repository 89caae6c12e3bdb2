"""`notifier suppressions`: addresses that get no email."""

import click
from flask import Flask

from notifier.cli.commands import SUPPRESSIONS
from notifier.cli.context import with_app
from notifier.cli.lazy import LazyGroup
from notifier.cli.options import as_json_option
from notifier.cli.showing import say, show, tell
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.feedback import rejudging
from notifier.feedback.rejudging import Freed
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

HEADINGS = ("address", "reply", "rules", "today")


@click.group(cls=LazyGroup, lazy=SUPPRESSIONS)
def suppressions() -> None:
    """Manage addresses that get no email."""


@click.command("rejudge")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@as_json_option
@with_app
def rejudge(app: Flask, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Judge the replies that suppressed addresses by today's rules.

    Addresses that these rules would not suppress can receive email again. Complaints, and what a person decided, always
    stay.
    """
    keys = services_of(app).settings.secret_keys
    with transaction(db.session) as session:
        found = list(rejudging.look(session))
    if not as_json:
        show(HEADINGS, [(each.identity_key, each.said, each.rule_version or "", each.why) for each in found])
    lifted = 0
    if found and not dry_run:
        if not yes:
            click.confirm(f"Remove {len(found):,} suppressions?", abort=True, err=True)
        for each in found:
            with transaction(db.session) as session:
                lifted += rejudging.lift(session, each, keys=keys, by=COMMAND_LINE)
    if as_json:
        tell({"found": [_as_json(each) for each in found], "lifted": lifted})
    else:
        say(f"Would come back: {len(found):,}; suppressions removed: {lifted:,}.")


def _as_json(freed: Freed) -> dict[str, object]:
    return {
        "address": freed.identity_key,
        "reply": freed.said,
        "rule_version": freed.rule_version,
        "reason": freed.reason,
        "why": freed.why,
    }
