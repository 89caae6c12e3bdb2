"""`notifier person export | erase`: what a person may ask for."""

from datetime import UTC
from typing import IO

import click
from flask import Flask, render_template
from sqlalchemy import or_, select

from notifier.accounts import erasure
from notifier.accounts.erasure import REFERENCE_LIMIT
from notifier.cli.context import with_app
from notifier.cli.showing import as_document, hand_out, say
from notifier.explain.person_export import export_person
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of


@click.group()
def person() -> None:
    """Manage the people who get email."""


@person.command("export")
@click.argument("who")
@click.option("--format", "form", type=click.Choice(["json", "html"]), default="json", show_default=True,
              help="For programs, or a page to read and print.")  # fmt: skip
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="The file to write.")
@with_app
def export(app: Flask, who: str, form: str, output: IO[str]) -> None:
    """Write everything that is stored about the person with this address, or this id in your application.

    The audit log records it. Secret data of emails, such as links to new passwords, are not in it.
    """
    parts = services_of(app)
    document = export_person(
        db.session(), _the_one(app, who), keys=parts.settings.secret_keys, by=COMMAND_LINE, form=form
    )
    if form == "json":
        text = as_document(document)
    else:
        names = {"product": parts.settings.product, "wording": parts.wording}
        text = render_template("export/person.html", document=document, **names)
    # First, so that no export is without its entry.
    db.session.commit()
    hand_out(text, output)


def _the_one(app: Flask, who: str) -> User:
    """Return the person with this address or external id. Raise ClickException if there is none, or several."""
    by_id = User.external_id == who
    try:
        is_named = or_(by_id, User.identity_key == parse_address(who, **app.config["ADDRESSES"]).identity_key)
    except AddressError:
        is_named = by_id
    found = db.session.scalars(select(User).where(User.is_person(), is_named).order_by(User.id).limit(10)).all()
    if not found:
        raise click.ClickException(f"No person has the address or the id {who}. Check it for typos.")
    if len(found) > 1:
        ids = ", ".join(str(user.external_id or user.id) for user in found)
        raise click.ClickException(f"Several people have this address. Give the id of one of them: {ids}.")
    return found[0]


@person.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--reference", default="", help="For the receipt, such as a ticket number. No names, no addresses.")
@with_app
def erase(app: Flask, address: str, yes: bool, reference: str) -> None:
    """Permanently erase the person with this ADDRESS. Without an account, erase all data about it.

    A suppression stays, as a digest. The audit log records that the address was erased, as a digest.
    """
    settings = services_of(app).settings
    if "@" in reference or len(reference) > REFERENCE_LIMIT:
        raise click.ClickException(f"A reference has {REFERENCE_LIMIT} characters at most, and no address.")
    try:
        identity_key = parse_address(address, **app.config["ADDRESSES"]).identity_key
        if not yes:
            click.confirm(f"Erase everything about {address}? This cannot be undone", abort=True)
        before = erasure.erase_address(
            db.session(), identity_key, keys=settings.secret_keys, by=COMMAND_LINE, reference=reference
        )
    except (AddressError, erasure.ErasureError) as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    if before is not None:
        say(f"This address was erased before, on {before.astimezone(UTC):%d %b %Y at %H:%M} UTC.")
    say("Erased. The audit log has an entry about it, without the address: the receipt, which the admin shows.")
