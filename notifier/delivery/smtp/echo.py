"""What a server repeats of a recipient's address, taken out of its text before the text is judged.

All texts here are in lower case.
"""

import re
from functools import lru_cache
from urllib.parse import quote


def masked(text: str, recipient: str) -> str:
    """`text` with `x@x` in place of the address of `recipient`, as it stands in brackets, alone or in a link."""
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
