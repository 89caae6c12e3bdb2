"""`notifier campaign run | pause | resume | cancel` and `notifier tick`: runs of campaigns."""

import sys
from datetime import UTC, datetime

import click
from flask import Flask

from notifier import clock
from notifier.campaigns import control
from notifier.campaigns.content_held import Held, held, named
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.lookup import Which, campaign_named, moment_of
from notifier.cli import campaign_content
from notifier.cli.campaign import plainly, which_options
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.plans import next_step, show_plan
from notifier.cli.showing import on_one_line, progress, say, tell
from notifier.explain.plan_token import PlanChanged
from notifier.explain.plan_values import Plan
from notifier.extensions import db
from notifier.models import Campaign
from notifier.reasons import ReasonCode
from notifier.services import services_of

run_option = click.option("--run", "run_id", type=int, help="This run only.")


@click.command()
@click.argument("name")
@run_option
@click.option("--reason", default="", help="Note for colleagues.")
@with_app
@plainly
def pause(app: Flask, name: str, run_id: int | None, reason: str) -> None:
    """Pause NAME and its open runs, within one batch. Nothing is lost."""
    session = db.session()
    found = control.find(session, name)
    if run_id is None:
        runs = control.pause(session, found, reason=reason)
    else:
        run = control.find_run(session, run_id, of=found)
        runs = (
            [run_id]
            if control.pause_run(session, run, ReasonCode.paused_by_hand, why=reason or "an operator paused it")
            else []
        )
    session.commit()
    say(f"Paused {name if run_id is None else f'run {run_id}'}; runs stopped: {len(runs)}.")


@click.command()
@click.argument("name")
@run_option
@campaign_content.move_option
@with_app
@plainly
def resume(app: Flask, name: str, run_id: int | None, move: bool | None) -> None:
    """Resume NAME and its runs.

    Runs that were paused automatically resume, too. A run that a person paused needs --run. If emails wait with older
    content, add --move or --keep.
    """
    session = db.session()
    campaign_content.settle(app, *_resumable(app, name, run_id, move), move)
    found = control.find(session, name)
    if run_id is None:
        runs = control.resume(session, found)
    else:
        runs = [run_id] if control.resume_run(session, control.find_run(session, run_id, of=found)) else []
    stay = [(run.id, run.reason) for run in control.paused_runs(session, found)]
    session.commit()
    woken = services_of(app).run_effects.resumed(runs)
    what = name if run_id is None else f"Run {run_id} of {name}"
    say(f"{what} resumed; runs resumed: {len(runs)}, emails queued again: {woken}.")
    for pk, reason in stay:
        why = on_one_line(reason or "")
        say(f"Run {pk} stays paused: {why}. To resume it: notifier campaign resume {name} --run {pk}")


def _resumable(app: Flask, name: str, run_id: int | None, move: bool | None) -> tuple[Campaign, Held]:
    """Return the result of `_waiting`. Raise CampaignError if no option says which version is sent."""
    found, waiting = _waiting(app, name, run_id)
    session = db.session()
    stands = [run.id for run in control.paused_runs(session, found) if run_id in (None, run.id)]
    session.rollback()
    if stands and waiting.is_behind and move is None and not sys.stdin.isatty():
        groups = " ".join(waiting.sentences()) or f"A run will still add emails with an older version: {stands}."
        newest = named(waiting.current)
        raise CampaignError(
            f"{groups} Add --move to give {newest} to all that can move, or --keep to keep their versions."
        )
    return found, waiting


@click.command()
@click.argument("name")
@run_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_app
@plainly
def move(app: Flask, name: str, run_id: int | None, yes: bool) -> None:
    """Give waiting emails of NAME the newest content. Emails that an attempt has begun keep theirs."""
    found, waiting = _waiting(app, name, run_id)
    campaign_content.tell(waiting)
    if not waiting.is_behind:
        say(f"All waiting emails have {named(waiting.current)} already.")
        return
    if not yes:
        click.confirm(f"Give waiting emails {named(waiting.current)}?", abort=True)
    campaign_content.settle(app, found, waiting, move=True)


def _waiting(app: Flask, name: str, run_id: int | None) -> tuple[Campaign, Held]:
    """Return the campaign and the versions of waiting emails in its open runs (or this one). End the transaction."""
    session = db.session()
    found = campaign_named(session, name)
    holding = held(session, found, services_of(app).kinds, run_id=run_id)
    session.rollback()
    return found, holding


@click.command()
@click.argument("name")
@run_option
@click.option("--archive", is_flag=True, help="Also end the campaign permanently.")
@click.option("--reason", default="an operator cancelled it", help="Note for colleagues.")
@with_app
@plainly
def cancel(app: Flask, name: str, run_id: int | None, archive: bool, reason: str) -> None:
    """Cancel the open runs of NAME: emails not sent yet are never sent."""
    session = db.session()
    found = control.find(session, name)
    if run_id is None:
        runs = control.cancel(session, found, reason=reason, archive=archive)
    else:
        runs = (
            [run_id] if control.cancel_run(session, control.find_run(session, run_id, of=found), reason=reason) else []
        )
    session.commit()
    emails = services_of(app).run_effects.cancelled(runs)
    say(f"Runs cancelled: {len(runs)}, emails cancelled: {emails}." + (" Archived." if archive else ""))


@click.command()
@click.argument("name")
@which_options
@click.option("--plan", "token", help="The token of `notifier plan`: run only what it showed. Valid for 24 hours.")
@click.option("--exact", is_flag=True, help="With --plan: refuse if anyone joined or left since.")
@with_app
@plainly
def run(app: Flask, name: str, which: Which | None, token: str | None, exact: bool) -> None:
    """Run NAME. No recipient gets the same email twice.

    With --plan it runs only what that plan showed. It refuses, and shows the new plan, if the campaign or its content
    has changed since, or if more than 1 % of the planned people (10 at least) joined or left; --exact accepts no
    difference.

    Without an option it runs for the newest scheduled time. A campaign in local time needs one of --now,
    --at-local-hour and --newest.
    """
    if exact and token is None:
        raise click.UsageError("--exact needs --plan: it compares the run with a plan.")
    kinds, session = services_of(app).kinds, db.session()
    which = which or _only_choice(control.find(session, name))
    session.rollback()
    planned = None if token is None else _checked(app, name, token, which, exact=exact)
    found = control.find(session, name)
    if planned is not None and found.version != planned.version:
        raise CampaignError(f"{name} was changed just now: plan it again.")
    moment = moment_of(found, which, clock.now(), kinds)
    run_id = control.run_now(session, found, kinds, slot=moment.slot, at_once=moment.at_once)
    session.commit()
    taken = services_of(app).run_effects.started([run_id])
    say(f"Run {run_id} was handed to the workers." if taken else f"Run {run_id} starts when the broker is back.")


def _only_choice(found: Campaign) -> Which:
    """Return the scheduled time of a run without an option. Raise CampaignError for a campaign in local time."""
    if found.recipient_local:
        raise CampaignError(
            f"{found.name} sends in each recipient's time zone. Choose when this run sends: --now (to everyone at "
            "once), --at-local-hour (at the campaign's hour in each recipient's time zone) or --newest (for the newest "
            "scheduled time, at once to people whose hour has passed)."
        )
    return "newest"


def _checked(app: Flask, name: str, token: str, which: Which, *, exact: bool) -> Plan:
    """Return the plan as it is now. Raise CampaignError, after showing it, if it is not the one of the token."""
    planner = services_of(app).planner
    try:
        with progress(f"planning {name}"):
            return planner.confirm(token, name, which, exact=exact)[1]
    except PlanChanged as changed:
        with progress(f"planning {name} again"):
            fresh = planner.plan(name, which)
        show_plan(fresh)
        say(f"\n{next_step(fresh, which, exact=exact)}")
        raise CampaignError(f"Nothing was started. {changed} The new plan is above.") from None


@click.command()
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]), help="As if it were this time.")
@as_json_option
@with_app
def tick(app: Flask, at: datetime | None, as_json: bool) -> None:
    """Run the scheduler once, in this process. Beat does it every 30 seconds."""
    if at is not None and app.config["NOTIFIER_ENV"] == "production":
        raise click.ClickException("--at is for development: in production, runs start when they are due")
    ticked = services_of(app).tick.run(at and at.astimezone(UTC))
    numbers = {
        "started": ticked.started, "prompted": ticked.prompted, "slots": dict(ticked.slots), "resumed": ticked.resumed,
        "finished": ticked.finished, "failed": ticked.failed,
    }  # fmt: skip
    if as_json:
        tell(numbers)
        return
    say(
        f"runs started {len(ticked.started)}, missed {ticked.slots['missed']}, coalesced {ticked.slots['coalesced']}, "
        f"prompt digests {len(ticked.prompted)}, restarted {len(ticked.resumed)}, "
        f"finished {len(ticked.finished)}, failed {len(ticked.failed)}"
    )
