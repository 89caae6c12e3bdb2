"""What an address in a text looks like, and the headers of a report that name the address that it came to."""

import re

from notifier.bounces.parts import Headers

#: Headers of the report that name the address that it came to.
TO_US = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "to", "resent-to")
#: An address in a text: ASCII before the @ (RFC 5322, atext), and letters of alphabets after it. Chinese and Japanese
#: texts put no space around an address, so their letters end it; only fields name addresses that have such letters.
LOCAL = r"[a-z0-9!#$%&*+/=?^_`{|}~-][a-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}"
_LETTER = r"a-z0-9\u00c0-\u052f"
DOMAIN = rf"[{_LETTER}](?:[{_LETTER}_-]{{0,62}}\.){{0,8}}[{_LETTER}_-]{{1,63}}"
ADDRESS = re.compile(rf"(?<![{_LETTER}.!#$%&*+/=?^_`{{|}}~-]){LOCAL}@{DOMAIN}", re.IGNORECASE)
#: Addresses that a report names for questions.
NO_RECIPIENT = re.compile(r"(?:mailer-?daemon|postmaster|mail-daemon|abuse|support|helpdesk)@", re.IGNORECASE)


def values_of(headers: Headers, names: tuple[str, ...]) -> list[str]:
    """Return all values of the headers with these names, cut at 1,000 characters."""
    return [value[:1000] for name in names for value in headers.every(name)]
