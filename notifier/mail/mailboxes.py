"""Parse mailboxes that people write into settings: `Acme News <news@acme.example>`.

This is stricter than RFC 5322 parsers, which guess: for them a colon begins a group and a comma a second mailbox, and
quotes that an env file kept become part of the address. Here the name is everything before the last `<`, and unlikely
input is refused with the text to write instead.
"""

import re
from typing import NamedTuple

from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.header_text import NAME_LIMIT, clean_text

_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"\Z')
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')
_FORM = "write an address, or Name <address>"


class MailboxError(ValueError):
    """The text is not exactly one mailbox. The message says what to write instead."""


class Mailbox(NamedTuple):
    """A display name (may be empty) and an address whose domain is an A-label."""

    name: str
    address: str

    def __str__(self) -> str:
        """Format the mailbox as in RFC 5322 (section 3.4), with the name in plain Unicode."""
        if not self.name:
            return self.address
        if not _SPECIALS.search(self.name):
            return f"{self.name} <{self.address}>"
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.address}>'


def parse_mailbox(text: str, *, allow_local: bool = False) -> Mailbox:
    """Return the one mailbox that `text` names.

    `allow_local` accepts domains of this machine, such as `localhost` and `.test`. Raise MailboxError.
    """
    text = text.strip()
    for quote in ('"', "'"):
        if len(text) > 1 and text[0] == text[-1] == quote:
            raise MailboxError(f"the quotes around it are part of the value: write {text.strip(quote)}")
    if not text.endswith(">"):
        if "<" in text or " " in text:
            raise MailboxError(_FORM)
        return Mailbox("", _address(text, allow_local=allow_local))
    written, bracket, address = text[:-1].rpartition("<")
    if not bracket:
        raise MailboxError(_FORM)
    return Mailbox(_name(written.strip()), _address(address, allow_local=allow_local))


def _name(written: str) -> str:
    quoted = _QUOTED.match(written)
    name = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else written
    if clean_text(name, NAME_LIMIT) != name:
        raise MailboxError(
            f"the name cannot stand in an email header: use at most {NAME_LIMIT} visible characters, without =?"
        )
    if (not quoted and "\\" in name) or (len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"):
        plain = name.replace("\\", "").strip("\"'") or "Name"
        raise MailboxError(f"recipients would see the quotes and backslashes of the name: write {plain} <address>")
    if "<" in name or "@" in name:
        raise MailboxError(f"it contains more than one address: {_FORM}")
    return name


def _address(text: str, *, allow_local: bool) -> str:
    try:
        # Our own address must work with every mail server, and some do not offer SMTPUTF8.
        return parse_address(text, allow_smtputf8=False, allow_local=allow_local).envelope
    except AddressError as error:
        raise MailboxError(f"{_FORM}. {error}") from None
