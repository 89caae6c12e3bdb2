"""`notifier person erase`: erase a person by address."""

from datetime import UTC

import click
from flask import Flask

from notifier.accounts import erasure
from notifier.cli.context import with_app
from notifier.cli.showing import say
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of


@click.group()
def person() -> None:
    """Manage the people who get email."""


@person.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@with_app
def erase(app: Flask, address: str, yes: bool) -> None:
    """Permanently erase the person with this ADDRESS. Without an account, erase all data about it.

    A suppression stays, as a digest. The audit log records that the address was erased, as a digest.
    """
    settings = services_of(app).settings
    try:
        identity_key = parse_address(address, **app.config["ADDRESSES"]).identity_key
        if not yes:
            click.confirm(f"Erase everything about {address}? This cannot be undone", abort=True)
        before = erasure.erase_address(db.session(), identity_key, keys=settings.secret_keys, by=COMMAND_LINE)
    except (AddressError, erasure.ErasureError) as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    if before is not None:
        say(f"This address was erased before, on {before.astimezone(UTC):%d %b %Y at %H:%M} UTC.")
    say("Erased. The audit log has an entry about it, without the address.")
