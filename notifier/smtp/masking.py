"""Remove a recipient's address from a server's text, before the text is classified and before it is stored."""

import re
from functools import lru_cache
from urllib.parse import quote

import idna

from notifier.smtp.outcome import Outcome

#: Replaces the recipient's address in stored replies.
RECIPIENT = "<recipient>"
#: Replaces it in texts that are classified.
MASK = "x@x"


def masked(text: str, recipient: str) -> str:
    """Replace the recipient's address in `text` (lower case) by `x@x`: in brackets, alone or in a link."""
    if not recipient or recipient.rpartition("@")[0].lower() not in text:
        return text
    address = recipient.lower()
    return text.replace(address, MASK).replace(address.replace("@", "%40"), "x%40x")


def masked_widely(text: str, recipient: str) -> str:
    """Also replace the local part (with and without its tag) and the domain if they stand as words of their own.

    A local part may be a word that the server means, such as `user`. So use this only for a decision that affects
    more than this one email.
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
    """Return the outcome without the recipient's address, so that it may be logged, journalled and stored.

    Journals are not covered by the erasure of a person. The local part is replaced, too, if it stands as a word of its
    own, even if the server meant that word: the code and the enhanced code still say what was refused.
    """
    if not outcome.text or not recipient or not _may_name(outcome.text, recipient.rpartition("@")[0]):
        return outcome
    text = _repeated(recipient).sub(RECIPIENT, outcome.text)
    return outcome if text == outcome.text else outcome._replace(text=text)


def _may_name(text: str, local: str) -> bool:
    """Return False if no form of this local part can stand in `text`. A pattern for each recipient is expensive."""
    if not text.isascii() or not local.isascii():
        return True
    low, least = text.lower(), local.lower()
    return (least.partition("+")[0] or least) in low or quote(local).lower() in low


@lru_cache(maxsize=4096)
def _repeated(recipient: str) -> re.Pattern[str]:
    local, _, domain = recipient.rpartition("@")
    locals_ = "|".join(map(re.escape, dict.fromkeys((local, quote(local), local.partition("+")[0] or local))))
    domains = "|".join(map(re.escape, dict.fromkeys((domain, _unicode(domain)))))
    return re.compile(rf"<?(?<!\w)(?:{locals_})(?:(?:@|%40)(?:{domains})(?![\w-])|(?!\w))>?", re.IGNORECASE)


def _unicode(domain: str) -> str:
    """Decode A-labels to the Unicode form of a domain."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
