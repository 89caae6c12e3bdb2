"""Typos in the domains of large mailbox providers: "Did you mean ada@gmail.com?". A suggestion blocks no one."""

from notifier.mail.providers import PROVIDERS

#: Domains that people mean most often, and that a typo leads away from.
_MEANT = (
    "gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "googlemail.com", "live.com", "aol.com",
    "hotmail.co.uk", "yahoo.co.uk", "hotmail.fr", "yahoo.fr", "orange.fr", "web.de", "gmx.de", "gmx.net", "t-online.de",
    "proton.me", "protonmail.com",
)  # fmt: skip

#: Domains of others that are one letter away from those: they are no typos.
_OTHERS = frozenset({"mail.com", "email.com", "gmx.at", "gmx.ch", "gmx.com", "me.com", "live.ca", "aol.de", "web.com"})
_REAL = frozenset({*_MEANT, *_OTHERS, *(domain for each in PROVIDERS.values() for domain in each.domains)})


def suggestion(email: str) -> str | None:
    """Return the address that was probably meant; None if its domain is not one letter away from a well-known one.

    A letter that is wrong, missing, too much, or in the place of its neighbour is one letter.
    """
    local, at, domain = email.strip().rpartition("@")
    domain = domain.lower().removesuffix(".")
    if not (local and at) or domain in _REAL:
        return None
    # The shorter a domain is, the more others are one letter away: of the shortest ones, only the ending is looked at.
    for meant in _MEANT:
        if _one_letter_apart(domain, meant) and (len(meant) >= 8 or domain.split(".")[0] == meant.split(".")[0]):
            return f"{local}@{meant}"
    return None


def _one_letter_apart(one: str, other: str) -> bool:
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    a, b = one[start:], other[start:]
    swapped = len(a) > 1 and len(b) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]
