"""`notifier operator`: the people who may sign in to the admin."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import click
from flask import Flask
from sqlalchemy import select

from notifier.cli.context import with_app
from notifier.cli.showing import say, show
from notifier.dev.first_login import first_login, forget_login, keep_login
from notifier.extensions import db
from notifier.mail.addresses import AddressError
from notifier.models import LinkPurpose, Operator, Role
from notifier.operators import roster, second_factor
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

#: For a developer's machine. No mail server can exist for an example domain (RFC 2606).
FIRST = "operator@notifier.example"

ROLES = click.Choice([role.value for role in Role])

FORCE = click.option("--force", is_flag=True, help="Also if no admin is left who can sign in.")

R = TypeVar("R")


def with_our_app(command: Callable[..., R]) -> Callable[..., R]:
    """Do as `with_app`. Raise ClickException if the application that embeds ours decides who the operators are."""

    @wraps(command)
    def asking(app: Flask, /, *args: Any, **kwargs: Any) -> R:
        if services_of(app).ask_operator is not None:
            raise click.ClickException(
                "the operators are those of the application that embeds notifier: its function operator=, which it"
                " gave to init_app, decides who they are"
            )
        return command(app, *args, **kwargs)

    return with_app(asking)


@click.group()
def operator() -> None:
    """Manage the people who may sign in to the admin."""


@operator.command("create")
@click.argument("email")
@click.option("--role", type=ROLES, default=Role.admin.value, show_default=True)
@click.option(
    "--password", envvar="NOTIFIER_OPERATOR_PASSWORD", help="If not given, a random one is generated and shown once."
)
@with_our_app
def create_operator(app: Flask, email: str, role: str, password: str | None) -> None:
    """Add an operator with the address EMAIL."""
    made_up = password is None
    password = password or secrets.token_urlsafe(18)
    try:
        roster.create(db.session(), email=email, password=password, role=Role(role))
    except (roster.OperatorError, AddressError) as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    say(f"{email} may now sign in as {role}." + (f"\nPassword (shown once): {password}" if made_up else ""))


@operator.command("list")
@with_our_app
def list_operators(app: Flask) -> None:
    """List the operators."""
    there = db.session.scalars(select(Operator).order_by(Operator.email)).all()
    rows = [(row.email, row.role, "yes" if row.totp_secret else "no", row.signed_in_at, _state(row)) for row in there]
    show(("address", "role", "second factor", "last sign-in", ""), rows)


def _state(row: Operator) -> str:
    if not row.active:
        return "disabled"
    return "invited" if row.invited else ""


@operator.command("invite")
@click.argument("email")
@click.option("--role", type=ROLES, default=Role.viewer.value, show_default=True)
@with_our_app
def invite(app: Flask, email: str, role: str) -> None:
    """Invite EMAIL: they get a link to choose a password."""
    try:
        services_of(app).operator_emails.invite(db.session(), email=email, role=Role(role), by=COMMAND_LINE)
    except (roster.OperatorError, AddressError) as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    say(f"{email} gets an invitation as {role}. The link works once, for 3 days.")


@operator.command("revoke")
@click.argument("email")
@with_our_app
def revoke(app: Flask, email: str) -> None:
    """Revoke the invitation of EMAIL, if it was not accepted."""
    with _said():
        roster.withdraw(db.session(), _find(email))
    db.session.commit()
    say(f"The invitation of {email} was revoked. Its link no longer works.")


@operator.command("send-link")
@click.argument("email")
@click.argument("purpose", type=click.Choice([purpose.value for purpose in LinkPurpose]))
@with_our_app
def send_link(app: Flask, email: str, purpose: str) -> None:
    """Send the operator EMAIL a link, which works once.

    PURPOSE is invitation (again), password (to choose another one), or second_factor (to turn it off).
    """
    with _said():
        services_of(app).operator_emails.send(db.session(), _find(email), LinkPurpose(purpose), by=COMMAND_LINE)
    db.session.commit()
    say(f"{email} gets an email with a new link. Earlier links no longer work.")


@operator.command("role")
@click.argument("email")
@click.argument("role", type=ROLES)
@FORCE
@with_our_app
def change_role(app: Flask, email: str, role: str, force: bool) -> None:
    """Give the operator EMAIL another ROLE; open sessions end."""
    with _said():
        roster.set_role(db.session(), _find(email), Role(role), force=force)
    db.session.commit()
    say(f"{email} has the role {role} now, and must sign in again.")


@operator.command("disable")
@click.argument("email")
@FORCE
@with_our_app
def disable(app: Flask, email: str, force: bool) -> None:
    """Disable the operator EMAIL, effective with their next request."""
    with _said():
        roster.set_active(db.session(), _find(email), False, force=force)
    db.session.commit()
    say(f"{email} can no longer sign in.")


@operator.command("enable")
@click.argument("email")
@with_our_app
def enable(app: Flask, email: str) -> None:
    """Enable the operator EMAIL again."""
    roster.set_active(db.session(), _find(email), True)
    db.session.commit()
    say(f"{email} may sign in again.")


@operator.command("password")
@click.argument("email")
@click.option(
    "--password", envvar="NOTIFIER_OPERATOR_PASSWORD", help="If not given, a random one is generated and shown once."
)
@with_our_app
def new_password(app: Flask, email: str, password: str | None) -> None:
    """Give the operator EMAIL a new password; open sessions end."""
    made_up = password is None
    password = password or secrets.token_urlsafe(18)
    try:
        roster.change_password(db.session(), _find(email), password)
    except roster.OperatorError as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    say(f"{email} has a new password." + (f"\nPassword (shown once): {password}" if made_up else ""))


@operator.command("reset-totp")
@click.argument("email")
@with_our_app
def reset_totp(app: Flask, email: str) -> None:
    """Remove the second factor of the operator EMAIL. Use it if phone and recovery codes are lost."""
    second_factor.reset_second_factor(db.session(), _find(email))
    db.session.commit()
    say(f"{email} can sign in with the password alone now.")


def make_first_operator(app: Flask) -> None:
    """Create an admin user if no one can sign in yet; `up` shows the login while it works. Never in production."""
    if services_of(app).ask_operator is not None or app.config["NOTIFIER_ENV"] == "production":
        return
    folder = services_of(app).settings.notifier_data_dir
    if roster.any_exists(db.session()):
        email, _, password = first_login(folder).partition("  ")
        if password and roster.authenticate(db.session(), email, password) is None:
            forget_login(folder)
        return
    password = secrets.token_urlsafe(18)
    roster.create(db.session(), email=FIRST, password=password, role=Role.admin)
    db.session.commit()
    folder.mkdir(parents=True, exist_ok=True)
    keep_login(folder, FIRST, password)


@contextmanager
def _said() -> Iterator[None]:
    """Let a refused change end the command with its reason."""
    try:
        yield
    except roster.OperatorError as error:
        raise click.ClickException(str(error)) from error


def _find(email: str) -> Operator:
    try:
        return roster.find(db.session(), email)
    except (roster.OperatorError, AddressError) as error:
        raise click.ClickException(str(error)) from error
