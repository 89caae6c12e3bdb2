"""Settings of the mail server, and of staging.

Each description is the last column of a table in docs/settings.md, which a test makes from these classes.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from notifier.config.cross_checks import EXAMPLE_SENDER
from notifier.config.text import Must, Unset
from notifier.config.types import AsciiAddress, FilePath, HostName, MailboxText, ReturnPathText, Seconds

MAILBOX = Must("an address, or Name <address>, without quotes around it")


class MailServerSettings(BaseModel):
    """The mail server, its timeouts, and the sender of every email."""

    mail_server: HostName = Field(
        "127.0.0.1",
        description="the mail server that emails are handed to",
    )
    mail_port: int = Field(
        1025,
        ge=1,
        le=65535,
        description="its port; usually 587 with `MAIL_USE_TLS`, 465 with `MAIL_USE_SSL`",
    )
    mail_use_tls: bool = Field(
        False,
        description="STARTTLS; certificates are verified",
    )
    mail_use_ssl: bool = Field(
        False,
        description="TLS from the first byte; certificates are verified",
    )
    mail_ca_file: FilePath | None = Field(
        None,
        description="certificates of a private certificate authority, PEM",
    )
    mail_username: str | None = Field(
        None,
        max_length=500,
        description="the user name at the mail server; never sent without TLS",
    )
    mail_password: str | None = Field(
        None,
        max_length=500,
        description="the password; a space or line break at its ends is refused instead of removed",
    )
    mail_default_sender: Annotated[MailboxText, MAILBOX] = Field(
        EXAMPLE_SENDER,
        description="the From of every email; production refuses the example and reserved domains",
    )
    mail_reply_to: Annotated[MailboxText | None, MAILBOX] = Field(
        None,
        description="the Reply-To of every email",
    )
    mail_bounce_address: Annotated[
        ReturnPathText | None,
        Must("an address in ASCII such as b+@bounces.example.com, with 27 characters at most before a final + or -"),
        Unset("`b+@` and the sender's domain"),
    ] = Field(
        None,
        description="the mailbox that bounces go to; with a final `+` or `-` before the @ each email has a return path "
        "of its own there: [the return path](transports.md#the-return-path)",
    )
    mail_cfbl_address: Annotated[AsciiAddress | None, Must("an email address in ASCII")] = Field(
        None,
        description="the address for complaints (CFBL-Address, RFC 9477): a provider sends a report there when a "
        "recipient marks an email as spam; only providers that verify our DKIM signature use it",
    )
    mail_suppress_send: Annotated[bool | None, Unset("on in tests, else off")] = Field(
        None,
        description="render and record emails, send nothing",
    )
    mail_smtputf8: bool = Field(
        True,
        description="accept addresses with a local part outside ASCII",
    )
    mail_transports: FilePath | None = Field(
        None,
        description="a TOML file with more mail servers, chosen by weight, or as a fallback: "
        "[transports](transports.md)",
    )
    mail_dkim_domain: Annotated[str | None, Must("a domain name of 63 characters at most")] = Field(
        None,
        description="with the two below: sign emails sent by `MAIL_SERVER`; set all three or none",
    )
    mail_dkim_selector: Annotated[str | None, Must("letters, digits, hyphens and dots, 63 at most")] = Field(
        None,
        description="the selector of the DKIM key in DNS",
    )
    mail_dkim_key_file: FilePath | None = Field(
        None,
        description="the private key, PEM, RSA or Ed25519",
    )
    mail_timeout_connect: Seconds = Field(
        10,
        gt=0,
        le=3600,
        description="longest time to connect to the mail server, including TLS",
    )
    mail_timeout_command: Seconds = Field(
        60,
        gt=0,
        le=3600,
        description="longest wait for the reply to a command",
    )
    mail_timeout_body: Seconds = Field(
        180,
        gt=0,
        le=3600,
        description="longest time in which the mail server reads no content",
    )
    mail_timeout_eod: Seconds = Field(
        300,
        gt=0,
        le=3600,
        description="longest wait for the reply after the whole content",
    )
    mail_timeout_quit: Seconds = Field(
        5,
        gt=0,
        le=3600,
        description="longest wait for the reply to QUIT",
    )
    mail_timeout_total: Seconds = Field(
        420,
        gt=0,
        le=3600,
        description="longest time for one email in total",
    )
    mail_connections: int = Field(
        50,
        ge=1,
        le=500,
        description="most connections that one worker process may use for bulk email at each mail server; it starts "
        "with 4 and uses more only while replies are slow and the server refuses none",
    )
    mail_probe_first: Seconds = Field(
        60,
        gt=0,
        le=3600,
        description="wait before one email probes a mail server or provider that refuses us",
    )
    mail_probe_longest: Seconds = Field(
        300,
        gt=0,
        le=86400,
        description="longest wait between two such probes; each wait is twice the one before",
    )
    mail_provider_witnesses: int = Field(
        5,
        ge=1,
        le=1000,
        description="a provider is held when emails to this many of its customers' domains are refused within 10 "
        "minutes, or to one of its own domains; its campaigns pause when bounces report as many recipients at as many "
        "domains",
    )
    mail_mx_ttl: Seconds = Field(
        7 * 86400.0,
        ge=0,
        le=366 * 86400,
        description="how long the mail servers (MX) of a domain are cached; 0: MX records are never looked up",
    )


class StagingSettings(BaseModel):
    """The recipients of an installation that is not production."""

    mail_allow: Annotated[str | None, Must("addresses and domains, separated by commas"), Unset("all")] = Field(
        None,
        description="only these addresses and domains get email",
    )
    mail_redirect_to: Annotated[str | None, Must("an email address")] = Field(
        None,
        description="all email (with `MAIL_ALLOW`: all other email) goes to this address",
    )
