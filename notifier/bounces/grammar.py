"""English for "there is no such address" in words that no phrase has: who, and what became of it.

It is asked last, about statements that nothing else explains and that name nothing else. Texts are in lower case.
"""

from notifier.smtp.reply_phrases import any_of

_WHO = (
    r"\b(?:users?|user ?names?|userid|recipients?|mail ?box(?:es)?|accounts?|addressees?|address(?:es)?|persons?"
    r"|subscribers?|customers?|alias(?:es)?|receivers?|rcpt)\b"
)
_GONE = (
    r"\b(?:unknown|no record|nosuchuser|non-?exist\w*|in-?valid|deleted|removed|retired|terminated|cancel+ed|closed"
    r"|unresolvable|(?:is|are) (?:dead|gone)\b|never existed|no longer accepted"
    r"|not (?:be )?(?:known|found|located|resolved|recogni[sz]ed|registered|valid|exist\w*|here\b|present|active"
    r"|provisioned|hosted|in service|one of our (?:customer|user)s"
    r"|in (?:the |our |my )?(?:table|directory|database|list|system)|available (?:on|at) this)"
    r"|(?:does|do|did|has|is) ?n[o'\u2019]t (?:exist|live here|been found|found|valid|known)|no longer exist\w*)"
)
#: The same in any words: who, and that there is no such one. Only for a statement that names nothing else.
USER_UNKNOWN_BROADLY = any_of(
    rf"{_WHO}[^.;!?]{{0,60}}?{_GONE}"
    rf"|{_GONE} (?:or \w+ |(?:e-?mail|local|final|virtual|destination|smtp|mailbox|user|of th\w+) )?{_WHO}"
    rf"(?! (?:headers?|lists?|counts?|syntax|for|field))"
    rf"|\b(?:no|found no) (?:local )?{_WHO} (?:of|by|with|named|matching|for)\b|\bno ?body here by",
    rf"\b(?:don't|do not|doesn't|does not|cannot|can't|could not) (?:know|find|locate|recogni[sz]e) "
    rf"(?:this |that |the |such |an? )*{_WHO}|\bnot an? (?:valid |known |local )?{_WHO}|\bcuda[ _]nsu\b",
)
#: What else may be unknown, invalid or removed.
NAMES_ELSE = any_of(
    r"\b(?:senders?|from (?:you|your|unknown|invalid|external|an?)\b|from:|header|urls?|links?|counts?|attachments?"
    r"|content|syntax|command|parameters?|key|connection|session|spf|dkim|dmarc|ptr|rdns|reverse|helo|ehlo|list|group"
    r"|forward\w*|too many|limit|mime|encryption|tls|charset|clients?|billing|subscription|failure|characters?"
    r"|whitelist|allowed|sending|date|format|reason|error (?:from|in)|signature|certificate)(?!\w)"
    r"|\b(?:message|mail) (?:for|to) \S+ (?:not|is|was|in)|(?<!this )(?<!our )(?<!on the )\b(?:server|host)\b"
    r"|\byour (?:\w+ )?(?:address|account|domain|host|server|name|ip|mailbox|network|isp)\b"
)
