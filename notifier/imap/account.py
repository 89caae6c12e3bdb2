"""Where the mailbox is and how to sign in, and the two ways in which that fails."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Security(StrEnum):
    """The protection of the connection. It is never lowered if a server does not offer it."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Account:
    """One user of one server."""

    host: str
    port: int
    security: Security
    user: str
    password: str = field(repr=False)
    #: Certificates of a private authority (PEM), instead of those of the system.
    ca_file: Path | None = None


class ImapAway(Exception):
    """The server does not answer, ended the connection, or asked to try again later."""


class ImapRefused(Exception):
    """The server refused, and will refuse again until a person changes something. The text says what."""


class ImapReadOnly(ImapRefused):
    """The folder cannot be changed by this user."""
