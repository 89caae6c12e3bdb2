"""Tell that a statement names our own sender instead of the recipient. Then it is about us.

Servers verify the sender before they accept an email, and say "no such user" about an address of ours.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from notifier.bounces.addresses import ADDRESS, NO_RECIPIENT, TO_US, values_of
from notifier.bounces.fields import DeliveryStatus
from notifier.bounces.parts import Email
from notifier.smtp.masking import MASK

#: Characters of the returned email in which its sender is looked for, and addresses of one statement.
MAX_RETURNED, MAX_NAMED = 8000, 20

_SENT_BY = re.compile(
    r"^(?:from|sender|reply-to|(?:x-)?return-path):(.{0,300}(?:\n[ \t].{0,300})?)$", re.IGNORECASE | re.MULTILINE
)
#: A report for people greets the sender and says whose email failed. That is not what failed.
_MENTIONED = re.compile(r"\b(?:from|sent by|dear|hello|hi|sender:?)[\s:,]{1,3}<?[^\s<>]{1,64}@[^\s<>]{1,255}>?")


class Sender(NamedTuple):
    """The addresses that our email came from, in lower case, and their domains if no recipient is at them."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


NO_SENDER = Sender()


def sender_of(email: Email, status: DeliveryStatus | None, returned: str) -> Sender:
    """Return who sent the email that failed: by the address that the report came to, and by the returned email.

    `returned`: the returned email, if it follows the words of the report.
    """
    bodies = [part.body[:MAX_RETURNED].decode("ascii", "replace") for part in email.parts if part.returned][:2]
    headers = (each[1] for body in (*bodies, returned[:MAX_RETURNED]) for each in _SENT_BY.finditer(body))
    ours = _addresses([*values_of(email.headers, TO_US)[:10], *headers])
    named = email.headers.every("x-failed-recipients")
    fields = [address for each in status.recipients for address in (each.address, each.original)] if status else []
    failed = _addresses([*named, *fields])
    ours -= failed
    return Sender(ours, _domains(ours) - _domains(failed))


def _addresses(values: Iterable[str]) -> frozenset[str]:
    return frozenset(each[0].lower() for value in values for each in ADDRESS.finditer(value))


def _domains(addresses: Iterable[str]) -> frozenset[str]:
    return frozenset(each.rpartition("@")[2] for each in addresses)


def without(sender: Sender, recipients: Iterable[str]) -> Sender:
    """Return the sender without the domains of recipients that only the words of a report name."""
    others = {each.lower() for each in recipients} - sender.addresses
    return sender._replace(domains=sender.domains - _domains(others))


def is_meant(text: str, sender: Sender, *, replied: bool) -> bool:
    """Return whether a text names addresses of our sender and none of anyone else.

    `text` is in lower case with its recipient masked; `replied`: a server said it, not a report for people.
    """
    if "@" not in text or MASK in text or not sender.addresses:
        return False
    found = ADDRESS.findall(text if replied else _MENTIONED.sub("", text))[:MAX_NAMED]
    named = [each for each in found if not NO_RECIPIENT.match(each)]
    return bool(named) and all(each in sender.addresses or each.rpartition("@")[2] in sender.domains for each in named)
