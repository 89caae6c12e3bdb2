"""Read the id that a mail server gave an email out of its reply to the final dot.

Delivery reports and the servers' own logs name emails by these ids. No standard describes the reply (RFC 5321 4.2.1
leaves its text to the server), so these are the forms of the servers in use. A reply in another form has no id for us,
which is never an error.
"""

import re

from notifier.smtp.masking import RECIPIENT
from notifier.smtp.outcome import MAX_TEXT

#: Longest id that is stored, in characters. The longest in use, of Exchange and of Amazon SES, have about 60.
MAX_ID = 128

#: Printable ASCII without spaces, brackets, quotes and commas.
_TOKEN = r"[A-Za-z0-9][\w.@+/=:~$-]{2,127}+(?![\w.@+/=:~$-])"
#: A token that can hardly be a word, for replies that say nothing about what it is.
_CODE = rf"(?=[^\s\d]{{0,64}}+\d)(?=\S{{8}}){_TOKEN}"

_FORMS = re.compile(
    rf"""
    \b queued \s on \s \S{{1,255}}+ \s (?:as \s)? (?P<yandex>{_TOKEN})
    | \b queued \s (?:as|with \s id) [\s:]{{1,2}} (?!{RECIPIENT}) <? (?P<queued>{_TOKEN})
    | \b message \s queued \s \( (?P<haraka>{_CODE}) \)
    | \[InternalId=(?P<exchange>\d{{1,30}}) [,\]]
    | \b ids? = (?P<id>{_TOKEN})
    | \s (?P<gmail>{_CODE}) \s - \s gsmtp \b
    | \b ok [\s:]{{1,2}} (?P<qmail>\d{{6,12}} \s qp \s \d{{1,12}}) \b
    | \b envelope \s id \s (?P<oracle>{_CODE})
    | \b message \s id:? \s (?P<icewarp>{_CODE}) \s accepted \b
    | \b received \s ok \s \[ (?P<mimecast>{_CODE}) \]
    | \b message \s (?P<ironport>\d{{4,20}}) \s accepted \b
    | \A (?P<sendmail>{_CODE}) \s message \s accepted \s for \s delivery \b
    | \A ok [\s:]{{1,2}} (?!ids?=) (?P<bare>{_CODE}) \s* \Z
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def server_id(text: str) -> str | None:
    """Return the id in the text of a reply, without its codes; None if there is none that we know."""
    found = _FORMS.search(text[:MAX_TEXT])
    if found is None:
        return None
    # Exactly one group has matched: the last one.
    return found[found.lastindex or 0].rstrip(".:")
