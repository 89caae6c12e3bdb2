"""Redact texts that others wrote before they are stored: addresses, tokens of links, API keys, known values."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

ADDRESS, TOKEN, KEY, PRIVATE = "<address>", "<token>", "<key>", "<private>"

_STOP = r"""\s<>,;:()\[\]"/?&@\uff20"""
#: The @ as it is encoded in links, and in links within links. A full-width @ is matched, too.
_ESCAPED = r"%(?:25){0,3}40"
#: Quoted local parts (RFC 5321, section 4.1.2) and all others; domains and, in brackets, IP addresses. The possessive
#: quantifiers and the lookbehind prevent backtracking, so that the time is linear in the length of the text.
_ADDRESS = re.compile(
    rf"""(?:"[^"]{{1,64}}+"|(?:(?<![^{_STOP}=])|(?<=40))(?:[^{_STOP}=%]|(?!{_ESCAPED})%)++)(?:@|\uff20|{_ESCAPED})"""
    rf"""([^{_STOP}']++|\[[0-9A-Za-z:.]{{1,60}}+\])"""
)
#: What every address holds: far cheaper to find than an address.
MAY_HOLD_ADDRESS = re.compile(rf"[@\uff20]|{_ESCAPED}")
#: payload . timestamp . signature of 32 bytes, see `tokens`; the dots may be percent-encoded.
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{8,}+(?:\.|%2E)[A-Za-z0-9_-]{1,11}(?:\.|%2E)[A-Za-z0-9_-]{43}", re.ASCII)

#: nk_<id>_<secret> (`operators.api_keys`), also one that was cut off.
_KEY = re.compile(r"(?<![A-Za-z0-9])nk_[0-9]{1,18}_[A-Za-z0-9_-]++", re.ASCII)

#: Characters of the shortest value that is redacted: shorter ones would occur everywhere.
MIN_LENGTH = 3


def without_addresses(text: str) -> str:
    """Return `text` with `<address>` in place of everything that may be an email address."""
    return _ADDRESS.sub(ADDRESS, text) if MAY_HOLD_ADDRESS.search(text) else text


def redacted(text: str, private: Iterable[str] = ()) -> str:
    """Return `text` without addresses at full domains, tokens, API keys, and the values in `private`."""
    for value in private:
        # Plain, and as it is encoded in a path or in a form.
        for form in dict.fromkeys((value, quote(value), quote_plus(value))):
            if len(form) >= MIN_LENGTH and form in text:
                text = _word(form).sub(PRIVATE, text)
    if MAY_HOLD_ADDRESS.search(text):
        text = _ADDRESS.sub(_full, text)
    # First the keys: what begins like one may hold what looks like a token.
    return _TOKEN.sub(TOKEN, _KEY.sub(KEY, text))


def _full(found: re.Match[str]) -> str:
    """Replace an address at a domain with a dot. Without a dot it may be the name of a worker, as in celery@host."""
    domain = found[1]
    if domain.startswith("["):
        return ADDRESS
    end = next((place for place in range(len(domain), 0, -1) if domain[place - 1].isalpha()), 0)
    return ADDRESS + domain[end:] if "." in domain[1:end] else found[0]


def _word(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
