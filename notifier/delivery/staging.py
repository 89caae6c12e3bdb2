"""Staging: limit emails to test addresses with MAIL_REDIRECT_TO and MAIL_ALLOW.

MAIL_ALLOW alone: only these addresses and domains get emails. MAIL_REDIRECT_TO alone: every email goes to that address.
Both: the allowed recipients get theirs, and every other email is redirected. The To field of a redirected email names
the original recipient: "ada at example.com" <redirect@...>. It has no extra header, which the header check would
refuse; a person who opens the inbox sees To.
"""

from dataclasses import dataclass, replace
from typing import Self

from notifier.config.settings import ConfigError, Settings
from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.message import Message
from notifier.mail.return_path import without_id


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send to `address`. `shown`: the name for the To field if the email is redirected, else None."""

    address: str
    shown: str | None = None

    @property
    def redirected(self) -> bool:
        """Whether the email goes to another address, so that its outcome says nothing about the original one."""
        return self.shown is not None


@dataclass(frozen=True, slots=True)
class Withhold:
    """Send nothing."""

    reason: str


NOT_ALLOWED = Withhold("staging: not on MAIL_ALLOW")


@dataclass(frozen=True, slots=True)
class Staging:
    """Which recipients may get emails. Without arguments: all of them, at no cost."""

    #: An envelope address.
    redirect_to: str | None = None
    #: Identity keys of addresses, and domains. None: no list.
    allowed: frozenset[str] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read MAIL_REDIRECT_TO and MAIL_ALLOW. Raise ConfigError with one line per mistake."""
        problems: list[str] = []
        redirect_to = allowed = None
        local = settings.allows_local_addresses
        if settings.mail_redirect_to is not None:
            try:
                redirect_to = parse_address(settings.mail_redirect_to, allow_local=local).envelope
            except AddressError as error:
                problems.append(f"MAIL_REDIRECT_TO: {error}")
        if settings.mail_allow is not None:
            allowed = _allowed(settings.mail_allow, problems, allow_local=local)
        if problems:
            raise ConfigError("\n".join(problems))
        return cls(redirect_to, allowed)

    @property
    def active(self) -> bool:
        """Whether any email is withheld or redirected."""
        return self.redirect_to is not None or self.allowed is not None

    def route(self, recipient: str) -> Deliver | Withhold:
        """Return the route for `recipient`. The redirect address itself is always routed to itself."""
        if not self.active or recipient == self.redirect_to or self._allows(recipient):
            return Deliver(recipient)
        if self.redirect_to is None:
            return NOT_ALLOWED
        return Deliver(self.redirect_to, shown=recipient.replace("@", " at "))

    def _allows(self, recipient: str) -> bool:
        if self.allowed is None:
            return False
        try:
            # It was accepted before, perhaps with a local domain; here it is only compared.
            address = parse_address(recipient, allow_local=True)
        except AddressError:
            # An address that cannot be compared with the list is not on it.
            return False
        return address.identity_key in self.allowed or address.domain in self.allowed


#: The staging of production: every recipient is allowed.
EVERYBODY = Staging()


def stage(message: Message, staging: Staging) -> Message | Withhold:
    """Return the message as staging lets it leave."""
    way = staging.route(message.recipient)
    if isinstance(way, Withhold):
        return way
    if way.shown is None:
        return message
    # What comes back says something about that address alone.
    return replace(
        message,
        recipient=way.address,
        recipient_name=way.shown,
        envelope_sender=without_id(message.envelope_sender),
        notifier_id="",
    )


def _allowed(text: str, problems: list[str], *, allow_local: bool) -> frozenset[str]:
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        problems.append("MAIL_ALLOW: names no recipient; leave it unset to allow every recipient")
    allowed = set()
    for entry in entries:
        domain = entry.removeprefix("@")
        try:
            if "@" in domain:
                allowed.add(parse_address(domain, allow_local=allow_local).identity_key)
            else:
                allowed.add(parse_address(f"x@{domain}", allow_local=allow_local).domain)
        except AddressError as error:
            problems.append(f"MAIL_ALLOW: {entry}: {error}")
    return frozenset(allowed)
