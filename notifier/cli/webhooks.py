"""`notifier webhooks`: endpoints of other applications, which are told what happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click
from flask import Flask

from notifier import clock
from notifier.cli.commands import WEBHOOKS
from notifier.cli.context import with_app
from notifier.cli.lazy import LazyGroup
from notifier.cli.options import as_json_option
from notifier.cli.showing import say, show, tell
from notifier.database.transaction import transaction
from notifier.events import TYPES
from notifier.extensions import db
from notifier.models import WebhookEndpoint
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.webhooks import endpoints, trying
from notifier.webhooks.endpoints import EndpointError

#: Hours that a replay looks back at most: as long as events are kept.
LONGEST_HOURS = 30 * 24


@click.group(cls=LazyGroup, lazy=WEBHOOKS)
def webhooks() -> None:
    """Tell other applications what happened."""


@click.command("list")
@as_json_option
@with_app
def list_(app: Flask, as_json: bool) -> None:
    """List all endpoints."""
    with transaction(db.session) as session:
        found = endpoints.listed(session)
        rows = [(each.id, each.url, each.types, _state(each), each.last_success_at) for each in found]
    names = ("id", "url", "types", "state", "last_success_at")
    if as_json:
        tell([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show(
            ("id", "URL", "events", "state", "last taken"),
            [(pk, url, _short(types), state, at) for pk, url, types, state, at in rows],
        )


@click.command("add")
@click.argument("url")
@click.option("--type", "types", multiple=True, help="A type of event; may be given several times. Without it: all.")
@with_app
def add(app: Flask, url: str, types: tuple[str, ...]) -> None:
    """Add the endpoint URL, and show its secret once."""
    with _refusing(), transaction(db.session) as session:
        endpoint, secret = services_of(app).endpoints.add(session, url, types or TYPES, by=COMMAND_LINE)
        pk = endpoint.id
    say(f"Endpoint {pk} gets events from now on.\nSecret (shown once): {secret}")


@click.command("change")
@click.argument("pk", metavar="ID", type=int)
@click.option("--type", "types", multiple=True, help="A type of event; may be given several times. Without it: all.")
@with_app
def change(app: Flask, pk: int, types: tuple[str, ...]) -> None:
    """Change which events the endpoint ID gets from now on."""
    with _refusing(), transaction(db.session) as session:
        services_of(app).endpoints.change(session, endpoints.find(session, pk), types or TYPES, by=COMMAND_LINE)
    say(f"Endpoint {pk} gets {_short(list(types or TYPES))} from now on.")


@click.command("rotate")
@click.argument("pk", metavar="ID", type=int)
@with_app
def rotate(app: Flask, pk: int) -> None:
    """Give the endpoint ID a new secret, and show it once; the old one signs as well for a day."""
    with _refusing(), transaction(db.session) as session:
        secret = services_of(app).endpoints.rotate(session, endpoints.find(session, pk), by=COMMAND_LINE)
    say(f"Secret (shown once): {secret}\nFor 24 hours, every event is signed with the old secret, too.")


@click.command("test")
@click.argument("pk", metavar="ID", type=int)
@with_app
def test(app: Flask, pk: int) -> None:
    """Call the endpoint ID now, from here, and show its answer.

    Exits with 1 if it does not take the event. The event is no part of the feed.
    """
    parts = services_of(app)
    with _refusing(), transaction(db.session) as session:
        endpoint = endpoints.find(session, pk)
        message = trying.message_for(parts.endpoints, endpoint, loopback=parts.settings.webhook_loopback)
    answer = message.post(parts.wire)
    if not answer.ok:
        raise click.ClickException(f"The endpoint did not take the event: {answer.error}")
    say(f"The endpoint took the event: {answer.status}.")


@click.command("replay")
@click.argument("pk", metavar="ID", type=int)
@click.option("--event", "event_id", type=int, help="This event only, by its id in the feed.")
@click.option(
    "--hours", type=click.IntRange(1, LONGEST_HOURS), default=48, show_default=True, help="How far back to go."
)
@click.option("--delivered", is_flag=True, help="Send events again that were delivered, too.")
@with_app
def replay(app: Flask, pk: int, event_id: int | None, hours: int, delivered: bool) -> None:
    """Send events again to the endpoint ID: those that failed, and those that it missed while it was disabled."""
    since = clock.now() - timedelta(hours=hours)
    with _refusing(), transaction(db.session) as session:
        endpoint = endpoints.find(session, pk)
        number = endpoints.replay(
            session, endpoint, by=COMMAND_LINE, event_id=event_id, since=since, delivered=delivered
        )
    say(f"Events that are sent again: {number:,}.")


@click.command("enable")
@click.argument("pk", metavar="ID", type=int)
@with_app
def enable(app: Flask, pk: int) -> None:
    """Send to the endpoint ID again, first what waited."""
    with _refusing(), transaction(db.session) as session:
        changed = endpoints.enable(session, endpoints.find(session, pk), by=COMMAND_LINE)
    say(f"Endpoint {pk} gets events again." if changed else f"Endpoint {pk} was not disabled.")


@click.command("disable")
@click.argument("pk", metavar="ID", type=int)
@click.option("--reason", default="disabled by hand", show_default=True, help="For your colleagues.")
@with_app
def disable(app: Flask, pk: int, reason: str) -> None:
    """Send nothing to the endpoint ID from now on; the feed keeps what it misses."""
    with _refusing(), transaction(db.session) as session:
        changed = endpoints.disable(session, endpoints.find(session, pk), reason, by=COMMAND_LINE)
    say(f"Endpoint {pk} gets no more events." if changed else f"Endpoint {pk} was disabled already.")


@click.command("remove")
@click.argument("pk", metavar="ID", type=int)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_app
def remove(app: Flask, pk: int, yes: bool) -> None:
    """Delete the endpoint ID and the record of what it was sent."""
    if not yes:
        click.confirm(f"Delete endpoint {pk}?", abort=True, err=True)
    with _refusing(), transaction(db.session) as session:
        endpoints.remove(session, endpoints.find(session, pk), by=COMMAND_LINE)
    say(f"Endpoint {pk} is deleted.")


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a refusal into a message without a traceback."""
    try:
        yield
    except EndpointError as error:
        raise click.ClickException(str(error)) from None


def _state(endpoint: WebhookEndpoint) -> str:
    if endpoint.disabled_at is not None:
        return f"disabled: {endpoint.disabled_reason}"
    return f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M}" if endpoint.failing_since else "ok"


def _short(types: list[str]) -> str:
    return "all" if set(types) == set(TYPES) else ", ".join(types)
