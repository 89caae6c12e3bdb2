"""`notifier doctor`: check what receivers of our emails demand."""

import sys
from ipaddress import ip_address

import click
from flask import Flask
from rich.text import Text

from notifier.cli.context import with_app
from notifier.cli.showing import show, tell
from notifier.database.transaction import read_only
from notifier.doctor import Doctor
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.sender_auth import Diagnosis, Group, Level, Signing, Subject, Unreachable
from notifier.services import services_of

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.WRONG: "red", Level.SKIPPED: "dim"}


@click.command("doctor")
@click.option("--domain", help="The domain to check, if not that of MAIL_DEFAULT_SENDER.")
@click.option("--ip", help="The IP address from which receivers get the emails, for SPF and PTR.")
@click.option(
    "--selector",
    "selectors",
    multiple=True,
    help="The DKIM selector of a signature that the mail server adds. Repeatable.",
)
@click.option(
    "--only", "groups", multiple=True, type=click.Choice([*Group]), help="Check this group alone. Repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_app
def doctor(
    app: Flask, domain: str | None, ip: str | None, selectors: tuple[str, ...], groups: tuple[str, ...], as_json: bool
) -> None:
    """Check the sender, DNS, the emails as built, and what receivers answer. Exit with 1 if something is wrong."""
    subject = _subject(app, domain, ip, selectors)
    services = services_of(app)
    try:
        examination = Doctor(
            settings=services.settings,
            kinds=services.kinds,
            drafts=services.drafts,
            signers={config.name: config.signer for config in services.transports.configs},
            session=db.session(),
            resolver=services.resolver(),
            web=services.web(),
        )
    except Unreachable as error:
        raise click.ClickException(str(error)) from None
    read_only()
    lines = examination.examine(subject, {Group(each) for each in groups} or set(Group))
    _show(lines, as_json)
    if any(line.level is Level.WRONG for line in lines):
        sys.exit(1)


#: The former name of the command.
check_dns = click.Command("check-dns", params=doctor.params, callback=doctor.callback, help="Do the same as doctor.")


def _subject(app: Flask, domain: str | None, ip: str | None, selectors: tuple[str, ...]) -> Subject:
    settings = services_of(app).settings
    transports = services_of(app).transports
    sender = _domain(domain or settings.sender_domain)
    # Bounces of another domain come back to that domain, unless MAIL_BOUNCE_ADDRESS is set.
    bounces = _domain(settings.bounce_address.rpartition("@")[2]) if settings.mail_bounce_address else sender
    signers = {
        (config.signer.domain, config.signer.selector): config.signer for config in transports.configs if config.signer
    }
    signings = [Signing(each.domain.lower(), each.selector, each.key.public) for each in signers.values()]
    signings += [Signing(sender, selector) for selector in selectors]
    replies = settings.reply_to.address.rpartition("@")[2] if settings.reply_to else ""
    return Subject(sender, bounces, tuple(signings), settings.mail_server, _ip(ip), replies)


def _domain(text: str) -> str:
    try:
        return parse_address(f"x@{text}", allow_local=True).domain
    except AddressError as error:
        raise click.ClickException(f"{text}: {error}") from None


def _ip(text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text))
    except ValueError:
        raise click.BadParameter("not an IP address", param_hint="--ip") from None


def _show(lines: list[Diagnosis], as_json: bool) -> None:
    if as_json:
        tell([_plain(line) for line in lines])
        return
    for group in Group:
        rows = [
            (Text(line.level, _COLOURS[line.level]), line.name, _told(line), f"{line.rule.code}: {line.rule.source}")
            for line in lines
            if line.rule.group is group
        ]
        show(("", "check", "detail", "rule and source"), rows, title=f"\n{group}")


def _told(line: Diagnosis) -> str:
    return f"{line.detail.rstrip('.')}. To do: {line.cure}" if line.cure else line.detail


def _plain(line: Diagnosis) -> dict[str, str]:
    rule = line.rule
    return {
        "level": line.level,
        "group": rule.group,
        "rule": rule.code,
        "source": rule.source,
        "name": line.name,
        "detail": line.detail,
        "cure": line.cure,
    }
