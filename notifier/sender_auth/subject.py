"""The sender to check."""

from dataclasses import dataclass

from notifier.sender_auth.dkim_keys import PublicKey


@dataclass(frozen=True, slots=True)
class Signing:
    """A DKIM signature that receivers see. `key` is None if the mail server, not notifier, has the private key."""

    domain: str
    selector: str
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The sender to check. Domains are A-labels."""

    #: The domain of the From address.
    domain: str
    #: The domain of the envelope sender, where SPF is looked up and bounces arrive.
    bounce_domain: str
    signings: tuple[Signing, ...] = ()
    #: The mail server that we hand emails to.
    server: str = ""
    #: The IP address from which receivers get the emails, if known.
    ip: str | None = None
    #: The domain of the Reply-To address; empty without one.
    reply_domain: str = ""
