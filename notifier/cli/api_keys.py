"""`notifier apikey`: the keys of programs that use the HTTP API."""

from datetime import UTC, datetime

import click
from flask import Flask

from notifier import clock
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import say, show, tell
from notifier.entries import content
from notifier.extensions import db
from notifier.models import ApiKey
from notifier.operators import api_keys, scopes
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

HEADINGS = ("id", "principal", "name", "scopes", "created", "last used", "expires", "")


@click.group()
def apikey() -> None:
    """Manage the keys of programs that use the HTTP API."""


@apikey.command("create")
@click.option("--name", required=True, help="What it is for, such as 'shop, production'.")
@click.option("--scopes", "wanted", required=True, help="What it may do, separated by commas.")
@click.option(
    "--principal",
    default=api_keys.APPLICATION,
    show_default=True,
    help="For whom it acts. Keys of one principal share their idempotency keys; the default one shares those of the"
    " application that embeds notifier.",
)
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day, in UTC, at whose beginning it ends.")
@with_app
def create(app: Flask, name: str, wanted: str, principal: str, expires: datetime | None) -> None:
    """Make a key, and show it once.

    To replace a key, make a second one for the same principal, give it to the program, and revoke the first.
    """
    try:
        made = api_keys.create(
            db.session(),
            name=name,
            wanted=[scope.strip() for scope in wanted.split(",") if scope.strip()],
            kinds=content.names(services_of(app).kinds),
            by=COMMAND_LINE,
            principal=principal,
            expires_at=expires and expires.replace(tzinfo=UTC),
        )
    except (api_keys.ApiKeyError, scopes.ScopeError) as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    say(f"Key {made.row.id} of {principal} may: {', '.join(made.row.scopes)}.\nShown once: {made.text}")


@apikey.command("list")
@as_json_option
@with_app
def list_(app: Flask, as_json: bool) -> None:
    """List the keys, without their secrets."""
    rows, now = api_keys.everyone(db.session()), clock.now()
    if as_json:
        tell([_as_json(row, now) for row in rows])
        return
    show(
        HEADINGS,
        [
            (str(row.id), row.principal, row.name, ", ".join(row.scopes), row.created_at, row.last_used_at,
             row.expires_at, _state(row, now))
            for row in rows
        ],
    )  # fmt: skip


@apikey.command("revoke")
@click.argument("pk", metavar="ID", type=click.IntRange(min=1, max=10**18 - 1))
@with_app
def revoke(app: Flask, pk: int) -> None:
    """End the key with this ID. After a second at most, no request with it gets through."""
    try:
        row = api_keys.revoke(db.session(), pk, by=COMMAND_LINE)
    except api_keys.ApiKeyError as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    say(f"Key {pk} ({row.name}) of {row.principal} no longer works.")


def _state(row: ApiKey, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "" if api_keys.works(row, now) else "expired"


def _as_json(row: ApiKey, now: datetime) -> dict[str, object]:
    names = ("id", "principal", "name", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    return {**{name: getattr(row, name) for name in names}, "works": api_keys.works(row, now)}
