"""`notifier plan | why | simulate`: future runs, and the reasons. None of them can write."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import click
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.explanations import Answer
from notifier.campaigns.lookup import Which, campaigns_of
from notifier.cli.campaign import plainly, which_options
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.plans import next_step, show_plan
from notifier.cli.showing import as_text, cell, plain, progress, say, show, tell
from notifier.database.snapshot import reading
from notifier.explain.plan_values import Plan
from notifier.explain.simulate import Fired, forecast
from notifier.explain.single_emails import single_emails
from notifier.explain.why import why as answers_to
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import User
from notifier.services import services_of

#: Rows of a table on a terminal; --json has all of them.
LINES = 5000

_MOMENTS = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"])


@click.command("plan")
@click.argument("name")
@which_options
@click.option("--sample", "text", is_flag=True, help="Show the whole sample email, as text.")
@as_json_option
@with_app
@plainly
def plan_(app: Flask, name: str, which: Which | None, text: bool, as_json: bool) -> None:
    """Show what a run of NAME would do. Changes nothing.

    It lists recipients, exclusions and reasons, times, a sample and the duration.
    """
    planner = services_of(app).planner
    with progress(f"planning {name}"):
        plan = planner.plan(name, which or "next")
    if as_json:
        tell(_as_json(plan))
        return
    show_plan(plan, text=text)
    say(f"\n{next_step(plan, which)}")


def _as_json(plan: Plan) -> dict[str, object]:
    sample = plan.sample and {"subject": plan.sample.subject, "text": plan.sample.text, "html": plan.sample.html}
    names = (
        "campaign", "version", "slot", "at_once", "when", "timing", "count", "confirmed", "unconfirmed",
        "not_confirmed", "zone_fallbacks", "first", "last", "seconds", "notes",
    )  # fmt: skip
    facts: dict[str, object] = {name: getattr(plan, name) for name in names}
    return facts | {
        "token": plan.token,
        "people": [plain(each) for each in plan.people],
        "left_out": [plain(each) for each in plan.left_out],
        "content": {"version": plan.content, "edition": plan.edition},
        "has": [plain(each) for each in plan.has],
        "throughput": plain(plan.throughput) | {"rate": plan.throughput.rate},
        "sample": sample,
    }


@click.command("why")
@click.argument("email")
@click.argument("name", required=False)
@as_json_option
@with_app
@plainly
def why_(app: Flask, email: str, name: str | None, as_json: bool) -> None:
    """Explain why EMAIL gets each campaign and single email or not. Changes nothing.

    Or for the campaign NAME alone: sent, scheduled or excluded, and why. Of single emails, such as the verification
    email, it explains the newest 100. If several people of another application have the address, it explains all.
    """
    try:
        key = parse_address(email, allow_local=True).identity_key
    except AddressError as error:
        raise click.ClickException(f"{email}: {error}") from None
    with reading(db.session) as session:
        people = session.scalars(select(User.id).where(User.identity_key == key).order_by(User.id)).all()
        if not people:
            raise CampaignError(f"There is no account with the address {email}.")
        answers = [answer for pk in people for answer in answers_to(session, pk, services_of(app).kinds, name)]
        if name is None:
            answers += [answer for pk in people for answer in single_emails(session, pk)]
    if as_json:
        tell([plain(answer) for answer in answers])
        return
    headings = ("campaign or kind", "answer (UTC)", "because", "based on")
    many = len(people) > 1
    show(
        ("person", *headings) if many else headings,
        [(str(answer.user_id), *_row(answer)) if many else _row(answer) for answer in answers],
    )
    if not answers:
        say("There is no campaign, and no email was ever queued for them.")


def _row(answer: Answer) -> tuple[object, ...]:
    when = f", {cell(answer.at)}" if answer.at else ""
    because = ". ".join(
        filter(None, (f"{answer.code}: {answer.words}", answer.reply and f"The mail server replied: {answer.reply}"))
    )
    return answer.campaign or f"single: {answer.kind}", f"{answer.outcome}{when}", because, answer.values


@click.command("simulate")
@click.option("--from", "since", type=_MOMENTS, help="A day (UTC), or a time with its offset. The default is now.")
@click.option("--days", type=click.IntRange(1, 3660), default=400, show_default=True)
@click.option("--campaign", "name", help="This one only.")
@as_json_option
@with_app
@plainly
def simulate_(app: Flask, since: datetime | None, days: int, name: str | None, as_json: bool) -> None:
    """List all upcoming runs, with daylight-saving changes marked. Changes nothing."""
    start = clock.now() if since is None else since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC)
    with reading(db.session) as session:
        campaigns = campaigns_of(session, name)
        fired = forecast(campaigns, start, days, services_of(app).kinds)
    if as_json:
        _stream(fired)
        return
    shown = list(islice(fired, LINES))
    rows = [
        (each.run_at, each.campaign, each.when or f"{each.local:%a %Y-%m-%d %H:%M %z} {each.zone}", each.words)
        for each in shown
    ]
    show(("starts (UTC)", "campaign", "goes", ""), rows)
    rest = sum(1 for _ in fired)
    if rest:
        say(f"… and {rest:,} more: --json gives all of them.")
    if not shown:
        say("Nothing is due in that time.")


def _stream(fired: Iterator[Fired]) -> None:
    """Print a list as JSON, with one element on each line."""
    before = "[\n"
    for each in fired:
        say(before + as_text(plain(each) | {"words": each.words}), nl=False)
        before = ",\n"
    say("[]" if before == "[\n" else "\n]")
