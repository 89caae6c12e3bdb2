"""`notifier check-dns`: check that receivers can authenticate our emails."""

import sys
from ipaddress import ip_address

import click
from flask import Flask
from rich.text import Text

from notifier.cli.context import without_database
from notifier.cli.showing import show, tell
from notifier.mail.addresses import AddressError, parse_address
from notifier.sender_auth import AuthCheck, Level, Signing, Subject, Unreachable, examine
from notifier.services import services_of

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.WRONG: "red"}


@click.command("check-dns")
@click.option("--domain", help="The domain to check, if not that of MAIL_DEFAULT_SENDER.")
@click.option("--ip", help="The IP address from which receivers get the emails, for PTR.")
@click.option(
    "--selector",
    "selectors",
    multiple=True,
    help="The DKIM selector of a signature that the mail server adds. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@without_database
def check_dns(app: Flask, domain: str | None, ip: str | None, selectors: tuple[str, ...], as_json: bool) -> None:
    """Check SPF, DKIM, DMARC, MX and PTR of the sender's domain. Exit with 1 if one is wrong."""
    subject = _subject(app, domain, ip, selectors)
    try:
        lines = examine(subject, services_of(app).resolver())
    except Unreachable as error:
        raise click.ClickException(str(error)) from None
    _show(lines, as_json)
    if any(line.level is Level.WRONG for line in lines):
        sys.exit(1)


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
    return Subject(sender, bounces, tuple(signings), settings.mail_server, _ip(ip))


def _domain(text: str) -> str:
    try:
        return parse_address(f"x@{text}").domain
    except AddressError as error:
        raise click.ClickException(f"{text}: {error}") from None


def _ip(text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text))
    except ValueError:
        raise click.BadParameter("not an IP address", param_hint="--ip") from None


def _show(lines: list[AuthCheck], as_json: bool) -> None:
    if as_json:
        tell([{"level": line.level, "name": line.name, "detail": line.detail} for line in lines])
        return
    rows = [(Text(line.level, _COLOURS[line.level]), line.name, line.detail) for line in lines]
    show(("", "check", "detail"), rows)
