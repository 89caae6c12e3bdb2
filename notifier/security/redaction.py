"""Redaction: what must not be kept of a text that others wrote. Addresses, the tokens of links, known values."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

ADDRESS, TOKEN, PRIVATE = "<address>", "<token>", "<private>"

_STOP = r"""\s<>,;:()\[\]"/?&@\uff20"""
#: The @ as it stands in links, and in links within links. It may be in full width, too.
_ESCAPED = r"%(?:25){0,3}40"
#: Quoted local parts (RFC 5321, section 4.1.2) and all others; domains and, in brackets, addresses of hosts. A run of
#: characters is read from its beginning only and never given back, so that the time grows with the text alone.
_ADDRESS = re.compile(
    rf"""(?:"[^"]{{1,64}}+"|(?:(?<![^{_STOP}=])|(?<=40))(?:[^{_STOP}=%]|(?!{_ESCAPED})%)++)(?:@|\uff20|{_ESCAPED})"""
    rf"""([^{_STOP}']++|\[[0-9A-Za-z:.]{{1,60}}+\])"""
)
_MAY_HOLD = re.compile(rf"[@\uff20]|{_ESCAPED}")
#: payload . timestamp . signature of 32 bytes, see `tokens`; with the dots percent-encoded, too.
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{8,}+(?:\.|%2E)[A-Za-z0-9_-]{1,11}(?:\.|%2E)[A-Za-z0-9_-]{43}", re.ASCII)

#: Shorter values would tear texts apart.
SHORTEST = 3


def without_addresses(text: str) -> str:
    """Return `text` with `<address>` in place of everything that may be an email address."""
    return _ADDRESS.sub(ADDRESS, text) if _MAY_HOLD.search(text) else text


def redacted(text: str, private: Iterable[str] = ()) -> str:
    """Return `text` without addresses at full domains, without tokens, and without the values in `private`."""
    for value in private:
        # As it is, and as it stands in a path or in a form.
        for form in dict.fromkeys((value, quote(value), quote_plus(value))):
            if len(form) >= SHORTEST and form in text:
                text = _word(form).sub(PRIVATE, text)
    if _MAY_HOLD.search(text):
        text = _ADDRESS.sub(_full, text)
    return _TOKEN.sub(TOKEN, text)


def _full(found: re.Match[str]) -> str:
    """Replace an address at a domain with a dot. Without one it may be the name of a worker, as in celery@host."""
    domain = found[1]
    if domain.startswith("["):
        return ADDRESS
    end = next((place for place in range(len(domain), 0, -1) if domain[place - 1].isalpha()), 0)
    return ADDRESS + domain[end:] if "." in domain[1:end] else found[0]


def _word(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
