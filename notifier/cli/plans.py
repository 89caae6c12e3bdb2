"""A plan as commands show it, and the command that runs it."""

from datetime import timedelta

from notifier.campaigns.content_held import named
from notifier.campaigns.lookup import Which
from notifier.campaigns.throughput import Throughput
from notifier.cli.showing import cell, say, show, span
from notifier.explain.plan_token import VALID
from notifier.explain.plan_values import HAS, Plan, SamplePerson


def show_plan(plan: Plan, *, text: bool = False) -> None:
    """Print the plan as tables, and with `text` the whole sample email."""
    show(
        ("", ""),
        [
            ("campaign", f"{plan.campaign}, version {plan.version}"),
            ("goes", plan.when or f"{cell(plan.slot)} UTC"),
            ("timing", plan.timing),
            ("content", f"{named(plan.content)}, edition {plan.edition}"),
            ("will get it", plan.count),
            ("confirmed", f"{plan.confirmed:,} will get it"),
            ("not confirmed", f"{plan.unconfirmed:,} will get it, {plan.not_confirmed:,} excluded"),
            *(("have it already", f"{each.count:,} {HAS[each.status]} {named(each.version)}") for each in plan.has),
            ("for example", ", ".join(each.email for each in plan.people)),
            ("without a time zone", plan.zone_fallbacks),
            ("first, last email (UTC)", f"{cell(plan.first)}, {cell(plan.last)}" if plan.first else ""),
            ("takes", f"{_duration(plan.seconds)} {_speed(plan.throughput)}"),
            ("sample", plan.sample.subject if plan.sample else ""),
            *(("note", note) for note in plan.notes),
        ],
    )
    rows = [
        (each.count, each.code, each.words, each.people[0].email if each.people else "", _first_values(each.people))
        for each in plan.left_out
    ]
    show(("excluded", "code", "because", "for example", "based on"), rows)
    if text and plan.sample:
        say(f"\n{plan.sample.text}")


def _speed(speed: Throughput) -> str:
    seen = f"sent in the last hour {speed.last_hour:,}, in the last day {speed.last_day:,}"
    return f"({seen})" if speed.rate is None else f"(at {_rate(speed.rate)}; {seen})"


def _duration(seconds: float | None) -> str:
    return "duration not known yet" if seconds is None else span(seconds)


def _rate(rate: float) -> str:
    """Return a rate, in emails a second, for people: a slow one by the hour, because rounding would make it 0.0."""
    return f"{rate:,.1f} emails a second" if rate >= 0.1 else f"{rate * 3600:.3g} emails an hour"


def _first_values(people: list[SamplePerson]) -> str:
    return cell(people[0].values) if people else ""


def next_step(plan: Plan, which: Which | None, *, exact: bool = False) -> str:
    """Return in a sentence how to run this plan, for the run that `which` chose."""
    if which is None and not plan.at_once:
        return f"Plan {plan.token}. It runs as scheduled; to run it at once, plan it with --now."
    options = "" if which == "newest" and not plan.when else f" --{which or 'now'}"
    options += " --exact" if exact else ""
    hours = VALID // timedelta(hours=1)
    return f"To run this plan within {hours} hours: notifier campaign run {plan.campaign}{options} --plan {plan.token}"
