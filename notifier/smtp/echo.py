"""What a server repeats of a recipient's address, taken out of its text: before it is judged, and before it is kept."""

import re
from functools import lru_cache
from urllib.parse import quote

import idna

from notifier.smtp.outcome import Outcome

#: Stands in a kept reply where the server repeated the recipient's address.
RECIPIENT = "<recipient>"


def masked(text: str, recipient: str) -> str:
    """`text`, in lower case, with `x@x` in place of the recipient's address: in brackets, alone or in a link."""
    if not recipient or recipient.rpartition("@")[0].lower() not in text:
        return text
    address = recipient.lower()
    return text.replace(address, "x@x").replace(address.replace("@", "%40"), "x%40x")


def masked_widely(text: str, recipient: str) -> str:
    """The same, and its local part, with a tag or without, and its domain wherever they stand as words of their own.

    A local part may be a word that the server means, such as `user`: only where more is at stake than this mail.
    """
    if not recipient:
        return text
    return _words(recipient).sub("x", masked(text, recipient))


@lru_cache(maxsize=256)
def _words(recipient: str) -> re.Pattern[str]:
    local, _, domain = recipient.lower().rpartition("@")
    locals_ = "|".join(map(re.escape, (quote(local).lower(), local, local.partition("+")[0] or local)))
    return re.compile(rf"(?:{re.escape(domain)}|(?<![a-z0-9])(?:{locals_}))(?![a-z0-9])")


def without_recipient(outcome: Outcome, recipient: str) -> Outcome:
    """Return the outcome as it may be logged, noted in a journal and stored: erasing a person reaches no journal.

    The recipient's address is replaced in its text, and its local part as a word of its own, also if the server means
    that word: code and enhanced code still say what was refused.
    """
    if not outcome.text or not recipient:
        return outcome
    text = _repeated(recipient).sub(RECIPIENT, outcome.text)
    return outcome if text == outcome.text else outcome._replace(text=text)


@lru_cache(maxsize=4096)
def _repeated(recipient: str) -> re.Pattern[str]:
    local, _, domain = recipient.rpartition("@")
    locals_ = "|".join(map(re.escape, dict.fromkeys((local, quote(local), local.partition("+")[0] or local))))
    domains = "|".join(map(re.escape, dict.fromkeys((domain, _unicode(domain)))))
    return re.compile(rf"<?(?<!\w)(?:{locals_})(?:(?:@|%40)(?:{domains})(?![\w-])|(?!\w))>?", re.IGNORECASE)


def _unicode(domain: str) -> str:
    """Return a domain as people write it."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
