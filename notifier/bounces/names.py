"""Whose email it was: recipients, our ids, and ids of other systems. Everything here is a claim of the sender.

Anyone who knows an address can write a report about it, so an id counts only with its MAC, which is checked elsewhere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from notifier.bounces.addresses import ADDRESS, DOMAIN, LOCAL, NO_RECIPIENT, TO_US, values_of
from notifier.bounces.fields import DeliveryStatus
from notifier.bounces.parts import Email, Headers, headers_of
from notifier.bounces.texts import pieces

#: Recipients, ids of ours and ids of other systems that are returned.
MAX_ADDRESSES, MAX_CLAIMS = 20, 20

#: Our return path: b+ID.MAC@, also with its case changed, and with `+` and `.` turned into `-` or `=` on the way. What
#: comes before the id is a setting, and forwarders put more before it. After an `n` it is a Message-ID.
_RETURN_PATH = re.compile(r"(?<![\dn])(\d{1,19})[.=_-]([a-z2-7]{16})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"(?<![\w.+-])n(\d{1,19})\.([a-z2-7]{16})@[a-z0-9.-]{1,255}", re.IGNORECASE)
_ID_HEADER = re.compile(r"x-notifier-id\s{0,4}:\s{0,8}<?(\d{1,19})\.([a-z2-7]{16})(?![\w-])", re.IGNORECASE)
_ID_VALUE = re.compile(r"\s{0,8}<?(\d{1,19})\.([a-z2-7]{16})>?\s{0,8}", re.IGNORECASE)
#: What all of them have in common: most texts name no id, and one look at them is enough.
_ANY_ID = re.compile(r"\d[.=_-][a-z2-7]{16}", re.IGNORECASE)
#: A line that is nothing but an address, or begins with one and goes on about it.
_ALONE = re.compile(
    r"(?:to:?|recipients?(?: address)?:|failed recipient:|error-for:|original address:|\*|-)?\s{0,8}[\[<(\"']{0,2}"
    rf"(?:smtp:|mailto:|rfc822;)?({LOCAL}@{DOMAIN})",
    re.IGNORECASE,
)
#: The ids of servers and providers: of Postfix and Exim, UUIDs, Message-IDs as Exchange and Amazon SES name them.
_QUEUE_ID = re.compile(
    r"(?:queued as|queue[- ]?id[:= ]|message identifier is:)\s{0,4}<?([0-9a-z](?:[\w.@+/=~$-]{4,126})[0-9a-z=$])",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """An id of one of our emails, with its MAC as text, and where the report names it."""

    source: str
    id: int
    mac: str

    def __str__(self) -> str:
        return f"{self.id}.{self.mac}"


def recipients(
    email: Email, status: DeliveryStatus | None, words: str, sender: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Return the addresses that a report is about: by its fields, by a header, or by its words.

    `sender`: addresses in lower case that are not meant if the words name others, too.
    """
    found = [each.address or each.original for each in status.recipients] if status else []
    found = [each for each in found if each]
    if not found:
        named = ", ".join(email.headers.every("x-failed-recipients"))[:4000]
        found = [address for address in re.split(r"[,\s]+", named) if "@" in address]
    if not found:
        to_us = " ".join(values_of(email.headers, TO_US)[:10])
        ours = {each[0].lower() for each in ADDRESS.finditer(to_us)}
        in_words = _in_words(words, ours)
        found = [each for each in in_words if each.lower() not in sender] or in_words
    return tuple(dict.fromkeys(each.strip("<>").rstrip(".")[:320] for each in found))[:MAX_ADDRESSES]


def _in_words(words: str, ours: set[str]) -> list[str]:
    alone = [_ALONE.match(line.strip()[:400]) for line in words.split("\n")[:200]]
    named = [each[1] for each in alone if each] or [
        each[0] for piece in pieces(words) for each in ADDRESS.finditer(piece)
    ]
    return [each for each in named if each.lower() not in ours and not NO_RECIPIENT.match(each)]


def first_address(text: str) -> str:
    """Return the first address in a text; "" if there is none."""
    found = ADDRESS.search(text)
    return found[0] if found else ""


def claims(email: Email, envelope_to: str, text: str) -> tuple[Claim, ...]:
    """Return ids of ours that an email names: in the address that it came to, in what it returns, in its text."""
    found = [
        Claim("return_path", int(each[1]), each[2])
        for value in (envelope_to[:1000], *values_of(email.headers, TO_US))
        for each in _RETURN_PATH.finditer(value)
    ]
    for part in email.parts:
        if part.returned:
            found += _in_headers(headers_of(part.body.lstrip(b"\n").partition(b"\n\n")[0]))
        elif part.media_type.startswith(("text/", "message/")):
            found += _in_text(part.text)
    found += _in_text(text)
    named = values_of(email.headers, ("in-reply-to", "references"))
    found += [Claim("message_id", int(each[1]), each[2]) for value in named for each in _MESSAGE_ID.finditer(value)]
    return tuple(dict.fromkeys(found))[:MAX_CLAIMS]


def claims_in_headers(headers: Iterable[tuple[str, str]]) -> tuple[Claim, ...]:
    """Return ids of ours that headers of our email name, given as (name, value), such as a provider repeats them."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.strip().lower(), []).append(value[:1000])
    return tuple(dict.fromkeys(_in_headers(Headers(values))))[:MAX_CLAIMS]


def _in_headers(headers: Headers) -> list[Claim]:
    found = [Claim("x_notifier_id", int(each[1]), each[2])
             for value in headers.every("x-notifier-id") if (each := _ID_VALUE.fullmatch(value))]  # fmt: skip
    found += [Claim("message_id", int(each[1]), each[2])
              for value in headers.every("message-id") for each in _MESSAGE_ID.finditer(value)]  # fmt: skip
    paths = values_of(headers, ("return-path", "sender", "x-return-path"))
    return found + [
        Claim("return_path", int(each[1]), each[2]) for value in paths for each in _RETURN_PATH.finditer(value)
    ]


def _in_text(text: str) -> list[Claim]:
    if not _ANY_ID.search(text):
        return []
    found = [Claim("x_notifier_id", int(each[1]), each[2]) for each in _ID_HEADER.finditer(text)]
    found += [Claim("message_id", int(each[1]), each[2]) for each in _MESSAGE_ID.finditer(text)]
    return found + [Claim("return_path", int(each[1]), each[2]) for each in _RETURN_PATH.finditer(text)]


def notification(found: tuple[Claim, ...]) -> str | None:
    """Return the one email that all claims agree on, as `ID.MAC`; None if there is none, or if they disagree."""
    return str(found[0]) if found and len({each.id for each in found}) == 1 else None


def queue_ids(status: DeliveryStatus | None, words: str) -> tuple[str, ...]:
    """Return ids under which another system held our email: a smarthost names them when it accepts one."""
    named = list(status.queue_ids) if status else []
    if status and status.envelope_id:
        named.append(status.envelope_id)
    named += [each[1] for each in _QUEUE_ID.finditer(words[:4000])]
    return tuple(dict.fromkeys(named))[:MAX_CLAIMS]
