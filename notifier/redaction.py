"""Redaction: what must not be kept of a text that others wrote. Addresses, the tokens of links, known values."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

ADDRESS, TOKEN, PRIVATE = "<address>", "<token>", "<private>"

#: Quoted local parts (RFC 5321, section 4.1.2) and all others; the @ may be percent-encoded, as in a link. The bounds
#: keep a text without any address from being searched again from each of its characters.
_LOCAL = r"""(?:"[^"]{1,64}"|[^\s<>,;:()\[\]"'=/?&@]{1,192})(?:@|%40)"""
_NAME = r"""[^\s<>,;:()\[\]"'/?&@]"""
_ADDRESS = re.compile(rf"{_LOCAL}{_NAME}{{1,255}}")
#: The same with a dot in the domain: without one it may be the name of a worker, as in celery@host.
_FULL_ADDRESS = re.compile(rf"{_LOCAL}{_NAME}{{1,255}}?\.{_NAME}{{0,255}}[^\W\d_]")
#: payload . timestamp . signature of 32 bytes, see `tokens`; with the dots percent-encoded, too.
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{8,}+(?:\.|%2E)[A-Za-z0-9_-]{1,11}(?:\.|%2E)[A-Za-z0-9_-]{43}", re.ASCII)

#: Shorter values would tear texts apart.
SHORTEST = 3


def without_addresses(text: str) -> str:
    """Return `text` with `<address>` in place of everything that may be an email address."""
    return _ADDRESS.sub(ADDRESS, text) if "@" in text or "%40" in text else text


def redacted(text: str, private: Iterable[str] = ()) -> str:
    """Return `text` without addresses at full domains, without tokens, and without the values in `private`."""
    for value in private:
        # As it is, and as it stands in a path or in a form.
        for form in dict.fromkeys((value, quote(value), quote_plus(value))):
            if len(form) >= SHORTEST and form in text:
                text = _word(form).sub(PRIVATE, text)
    if "@" in text or "%40" in text:
        text = _FULL_ADDRESS.sub(ADDRESS, text)
    return _TOKEN.sub(TOKEN, text)


def _word(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
