"""The address of a mailbox: imaps://user@host/Folder (RFC 5092, without its parameters)."""

import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from notifier.config.types import is_host

#: The rule, as it follows "must be".
IMAP_URL = (
    "imaps://user@host/INBOX, or imap:// for STARTTLS, without a password: that is INBOUND_IMAP_PASSWORD; "
    "in the user write @ as %40"
)

#: RFC 8314, section 7.2, and RFC 3501.
_PORTS = {"imaps": 993, "imap": 143}


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """A mailbox of a user. `is_tls`: TLS from the first byte."""

    host: str
    port: int
    is_tls: bool
    user: str
    folder: str


def parse_imap_url(text: str) -> ImapUrl:
    """Return the parts of the address. Raise ValueError without its text, which may hold a password."""
    try:
        parts = urlsplit(text)
        port = parts.port
        user, folder = (unquote(each or "", errors="strict") for each in (parts.username, parts.path[1:]))
    except ValueError:
        raise ValueError from None
    host = parts.hostname or ""
    wrong = parts.scheme not in _PORTS or port == 0 or not is_host(host) or "%" in host
    # Parameters such as ;AUTH= would be ignored, so they are refused.
    if wrong or parts.password is not None or parts.query or parts.fragment or ";" in parts.netloc + parts.path:
        raise ValueError
    if not user or len(user) > 500 or len(folder) > 500 or not (_is_plain(user) and _is_plain(folder)):
        raise ValueError
    return ImapUrl(host, port or _PORTS[parts.scheme], parts.scheme == "imaps", user, folder or "INBOX")


def holds_password(text: str) -> bool:
    """Return whether the address has a password in it, which is why it is refused."""
    try:
        return urlsplit(text).password is not None
    except ValueError:
        return False


def checked_imap_url(text: str) -> str:
    """Return `text` if it is such an address. Raise ValueError."""
    parse_imap_url(text)
    return text


def _is_plain(text: str) -> bool:
    return not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)
