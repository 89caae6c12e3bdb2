"""The return path: the envelope sender that bounces go to, which names the email that bounced (RFC 5321 4.4).

`MAIL_BOUNCE_ADDRESS` chooses its form by the last character before the @:

    b+@bounces.example.com      b+<id>.<mac>@bounces.example.com    a tag: most mail servers deliver it to `b`
    b-@bounces.example.com      b-<id>-<mac>@bounces.example.com    for mail servers that use `-` or know no tags
    bounces@example.com         the same for every email            for mail servers that refuse a sender of ours
"""

import re
from typing import Literal

from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.message_ids import MAX_KEY, NotifierId

#: The octets before the @ that an id may take: a number of 19 digits, a separator, 16 characters.
_ROOM = 19 + 1 + 16
_ID = r"(\d{1,19})[-.=_]([a-z2-7]{16})(?=@)"
#: Forwarders put prefixes before it, such as `SRS0=…=`. Some servers drop or replace the marker.
_WITHIN = re.compile(rf"(?<!\d){_ID}", re.ASCII | re.IGNORECASE)
_MARKED = re.compile(rf"[+-]{_ID}", re.ASCII | re.IGNORECASE)

Form = Literal["plus", "dash", "fixed"]


class ReturnPath:
    """The return paths of one installation."""

    def __init__(self, address: str) -> None:
        """Take the value of `MAIL_BOUNCE_ADDRESS`. Raise AddressError."""
        parsed = parse_address(address, allow_smtputf8=False, allow_local=True)
        self.domain = parsed.domain
        marker = parsed.local[-1]
        self.form: Form = "plus" if marker == "+" else "dash" if marker == "-" else "fixed"
        if self.form != "fixed" and not 2 <= len(parsed.local) <= 64 - _ROOM:
            raise AddressError(f"Write 1 to {63 - _ROOM} characters before the {marker}.")
        self._before = parsed.local
        #: The mailbox itself. Emails that have no row return to it.
        self.mailbox = parsed.envelope if self.form == "fixed" else f"{parsed.local[:-1]}@{parsed.domain}"

    def of(self, notifier_id: str) -> str:
        """Return the return path of the email with this id."""
        if self.form == "plus":
            return f"{self._before}{notifier_id}@{self.domain}"
        if self.form == "dash":
            return f"{self._before}{notifier_id.replace('.', '-')}@{self.domain}"
        return self.mailbox


def read_return_path(address: str) -> NotifierId | None:
    """Return the id in a return path, in any form and at any domain; None if there is none. It proves nothing yet.

    Any form, because bounces come back for days after the setting was changed, and because some servers change letter
    case, drop the marker or replace it.
    """
    found = _WITHIN.search(address)
    if found is None or int(found[1]) > MAX_KEY:
        return None
    return NotifierId(int(found[1]), found[2].lower())


def without_id(address: str) -> str:
    """Return the return path without its id: for a copy whose bounce says nothing about the recipient of the row."""
    return _MARKED.sub("", address, count=1)
