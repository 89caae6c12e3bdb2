"""`notifier bounces read --imap`: the account from settings and options, and what becomes of emails that are stored."""

import os

import click

from notifier.cli.showing import on_one_line
from notifier.config.cross_checks import is_loopback
from notifier.config.imap_url import IMAP_URL, ImapUrl, holds_password, parse_imap_url
from notifier.config.settings import Settings
from notifier.feedback.imap_mailbox import After, Delete, ImapMailbox, Keep, Move
from notifier.feedback.reader import Reader, Tally
from notifier.imap.account import Account, ImapAway, ImapRefused, Security

#: The value of `--imap` without one.
FROM_SETTINGS = "INBOUND_IMAP_URL"


class Misconfigured(click.ClickException):
    """The mailbox cannot be read until a person changes something."""

    exit_code = os.EX_CONFIG


def read_mailbox(
    reader: Reader, settings: Settings, address: str, *, keep: bool, move_to: str | None, recipient: str
) -> Tally:
    """Read a mailbox into the intake. Raise ClickException if the server stays away, Misconfigured if it refuses."""
    url = _url(settings, address)
    if keep and move_to:
        raise click.UsageError("Give --keep or --move-to, not both.")
    if move_to is not None and move_to.upper() == url.folder.upper():
        raise click.UsageError("--move-to must name another folder than the one that is read.")
    after: After = Keep() if keep else Move(move_to) if move_to else Delete()
    try:
        with ImapMailbox(_account(settings, url), url.folder, after) as mailbox:
            tally = reader.read(mailbox.emails(), envelope_to=recipient, done=mailbox.done)
            mailbox.finish()
            return tally
    except ImapAway as error:
        raise click.ClickException(
            f"{on_one_line(str(error))}. What was not stored or not removed stays in the mailbox: read it again later."
        ) from error
    except ImapRefused as error:
        raise Misconfigured(f"{on_one_line(str(error))}.") from error


def _url(settings: Settings, address: str) -> ImapUrl:
    if address == FROM_SETTINGS:
        address = settings.inbound_imap_url
        if not address:
            raise click.UsageError("Give --imap an address, or set INBOUND_IMAP_URL.")
    try:
        return parse_imap_url(address)
    except ValueError:
        if holds_password(address):
            raise click.UsageError(
                "The address of --imap has a password in it, which other users of this machine could see: take it out, "
                "and set INBOUND_IMAP_PASSWORD."
            ) from None
        raise click.UsageError(f"--imap must be {IMAP_URL}.") from None


def _account(settings: Settings, url: ImapUrl) -> Account:
    password = settings.inbound_imap_password
    if not password:
        raise Misconfigured(f"Set INBOUND_IMAP_PASSWORD: the password of {url.user} at {url.host}.")
    security = Security.TLS if url.is_tls else Security.NONE if is_loopback(url.host) else Security.STARTTLS
    return Account(url.host, url.port, security, url.user, password, settings.inbound_imap_ca_file)
