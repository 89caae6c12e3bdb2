"""Staging: nobody outside is ever mailed (MAIL_REDIRECT_TO, MAIL_ALLOW).

MAIL_ALLOW alone: others than these addresses and domains get nothing. MAIL_REDIRECT_TO alone: all mail goes
to that address. Both: the allowed ones get theirs, all other mail goes to that address. A redirected mail
shows in its To field for whom it was: "ada at example.com" <redirect@...>. No extra header: what is
outside the allow-list of headers would not pass the last gate, and a reader of the inbox sees To.
"""

from dataclasses import dataclass, replace
from typing import Self

from notifier.config.settings import ConfigError, Settings
from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.message import Message


@dataclass(frozen=True, slots=True)
class Deliver:
    """Mail `address`. `shown` is the name for the To field where that is another's address, else None."""

    address: str
    shown: str | None = None

    @property
    def redirected(self) -> bool:
        """What a server says of this address says nothing about the person for whom the mail was."""
        return self.shown is not None


@dataclass(frozen=True, slots=True)
class Withhold:
    """Send nothing."""

    reason: str


NOT_ALLOWED = Withhold("staging: not on MAIL_ALLOW")


@dataclass(frozen=True, slots=True)
class Staging:
    """Who may be mailed. Without arguments: everybody, at no cost."""

    #: An envelope address.
    redirect_to: str | None = None
    #: Identity keys of addresses, and domains; None: no list.
    allowed: frozenset[str] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """MAIL_REDIRECT_TO and MAIL_ALLOW. Raises ConfigError with one line for each mistake."""
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
        """Whether anybody's mail is held back or redirected."""
        return self.redirect_to is not None or self.allowed is not None

    def route(self, recipient: str) -> Deliver | Withhold:
        """Where a mail for `recipient` goes. Whom it was routed to is routed to itself."""
        if not self.active or recipient == self.redirect_to or self._allows(recipient):
            return Deliver(recipient)
        if self.redirect_to is None:
            return NOT_ALLOWED
        return Deliver(self.redirect_to, shown=recipient.replace("@", " at "))

    def _allows(self, recipient: str) -> bool:
        if self.allowed is None:
            return False
        try:
            # It was accepted before, by whatever rules.
            address = parse_address(recipient, allow_local=True)
        except AddressError:
            # What cannot be compared with the list is not on it.
            return False
        return address.identity_key in self.allowed or address.domain in self.allowed


#: Outside staging.
EVERYBODY = Staging()


def stage(message: Message, staging: Staging) -> Message | Withhold:
    """The mail as it may leave."""
    way = staging.route(message.recipient)
    if isinstance(way, Withhold):
        return way
    if way.shown is None:
        return message
    return replace(message, recipient=way.address, recipient_name=way.shown)


def _allowed(text: str, problems: list[str], *, allow_local: bool) -> frozenset[str]:
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        problems.append("MAIL_ALLOW: names nobody; leave it unset to mail everybody")
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
