"""Patterns for the texts of mail servers' replies, with a code or without one. `reply_rules.py` decides by them."""

import re


def any_of(*alternatives: str) -> re.Pattern[str]:
    """Build one pattern from these alternatives. Texts are matched in lower case."""
    return re.compile("|".join(alternatives))


_WHO = r"(?:e-?mail|user|recipient|mailbox|mail ?box|account|addressee|subscriber|local part|customer)"
_GONE = (
    r"(?:unknown|not (?:be )?(?:known|found|exist|valid|recognized|listed|registered|active|available here)"
    r"|do(?:es)? ?n[o'\u2019]?t exist|non-?existent|in-?valid|no longer|disabled|de-?activated"
    r"|closed|terminated|deleted|discontinued|expired|is not (?:a )?(?:valid|known))"
)

#: The address does not exist, or will never accept email again.
USER_UNKNOWN = any_of(
    r"(?:no such|no known|unknown|invalid|bad|non-?existent|disabled|not an? (?:valid|known)|undeliverable) "
    rf"(?:local |e-?mail |destination |smtp )?(?:{_WHO}|recipient address|address|person|one\b)",
    rf"\b{_WHO}(?: name| address| account| id)?(?: in [\w ]{{1,60}})?[: ]{{0,5}}(?:[<\[(]?\S+@\S+[>\])]?,?:? )?"
    rf"(?:has been |has |is |was |are |that you tried to reach |could |currently |temporarily )*{_GONE}",
    rf"\baddress (?:is |was )?{_GONE}",
    r"(?:does not|doesn't|do not) have an? .{0,40}(?:account|mailbox)",
    r"no (?:mailbox|user|account|recipient|one|person)\b.{0,20}(?:here|by that name|with that name|at this address)",
    r"(?:requested action not taken|^): ?mailbox unavailable|mailbox (?:is )?unavailable",
    r"un-?rout[e]?able (?:address|mail)|not our customer|recipient (?:was |is )?not found",
    r"(?:user|recipient) is not (?:local|here)|no mailbox",
)
#: The mailbox exists and is full: a soft failure with any code.
MAILBOX_FULL = any_of(
    r"over ?quota|quota (?:is |was |has been )?(?:exceed|full)|exceed\w* .{0,40}quota|out of quota",
    r"(?:mail ?box|inbox|account|user)(?: \S+@\S+)? (?:is |storage |has )*(?:full|too full)|full mail ?box",
    r"not enough (?:storage |disk )?space|out of (?:storage )?space|(?:storage|mailbox) (?:limit|size)",
)
GREYLISTED = any_of(r"gr[ae]y-? ?list", r"first[- ]time sender", r"unknown .{0,20}triplet", r"\[gl\d+\]")
RATE = any_of(
    r"rate[- ]?limit|\brate (?:of|is|exceed|control|that)|unusual rate|throttl|slow(?:ed)? down",
    r"(?:sending|message|mail|e-?mail|connection|delivery|recipient|maximum|high) rate",
    r"too (?:many|much|fast|quick|frequent|often)|concurren|unexpected volume|(?:high|unusual) volume",
    r"(?:sending|hourly|connection|message|messages|recipient|recipients|session|traffic|submission) (?:limit|quota)",
    r"max(?:imum|\.)? .{0,30}(?:connections|messages|recipients|sessions).{0,40}(?:exceed|reach)",
    r"(?:messages|connections|recipients|mails) per (?:second|minute|hour|session|connection|day)",
)
#: One mailbox's own limit per hour or day: it concerns neither us nor the other mailboxes.
ONE_MAILBOX = any_of(
    r"^(?!.*\b(?:sending|relay|submission|smtp)\b).*(?:daily|hourly|per[- ](?:day|hour)|24 ?h).{0,60}"
    r"\b(?:for|of|by) (?:the |this )?(?:recipient|mailbox|user|inbox)\b",
    r"\b(?:recipient|mailbox|inbox|addressee) (?:has |have |is |was )*(?:exceed|reach)\w* "
    r".{0,30}(?:daily|hourly|limit)",
    r"\b(?:user|recipient|mailbox|account|inbox)\b.{0,40}\breceiv\w+ .{0,30}(?:too (?:many|much|fast|quick)|\brate\b)",
)
#: Our own provider's daily allowance, which lasts for hours, not seconds. A mailbox's quota does not match.
DAILY_QUOTA = any_of(
    r"^(?!.*\b(?:recipient|mailbox|inbox|addressee|receiving)\b)"
    r"(?:(?!.*\buser\b)|(?=.*\b(?:sending|relay|submission|smtp)\b)).*(?:"
    r"daily (?:message|user sending|sending|mail|e-?mail|smtp|relay|user|submission)[\w ]{0,20}(?:quota|limit)"
    r"|(?:sending|message|mail) (?:quota|limit) for (?:the|this|24) ?(?:day|hours)|daily (?:quota|limit))",
)
RELAY_DENIED = any_of(
    r"relay(?:ing)?(?: \w+){0,3} (?:denied|prohibited|not (?:permitted|allowed)|rejected|disallowed|refused)",
    r"(?:unable|not permitted|not allowed|denied|cannot|can't|refus\w+|does not|do not|don't|won't|no)"
    r"(?: to)? relay(?:ing)?\b",
    r"relay not|not an? open relay|relay access",
)
AUTH_NEEDED = any_of(
    r"authentication (?:is )?(?:required|needed|credentials)|must (?:be |first )?(?:authenticat|issue a starttls)",
    r"(?:client|user|session|you are|is) not authenticated|authenticate (?:first|yourself|before)|log ?in first",
)
#: Our sender is refused, not the recipient (whose address is `x@x`, see `masking.py`).
SENDER_REFUSED = any_of(
    r"sender(?:'s)?(?: e-?mail)?(?: address| domain)?(?:[: ]{1,3}(?!<?x@x\b)(?:<\S*>|[^\s@]+@\S+):?)? "
    r"(?:is |was |has been )?(?:rejected|denied|refused|not verified|unverified|unknown|not found|invalid"
    r"|does not (?:exist|resolve)|domain must)",
    r"sender verif\w+|(?:invalid|unknown|unverified|unresolvable) (?:return path|sender)|sender domain",
    r"domain of sender|send as (?:this|that)|to send (?:as|from|on behalf|using)|bad (?:sender|return path)",
)
NOT_VERIFIED = any_of(r"(?:address|identity|domain|sender|identities|from)[\w ]{0,30}(?:not verified|unverified)",
                      r"not (?:been )?verified")  # fmt: skip
_NO_AUTHENTICATION = (
    r"(?:not have|\bno|without|lack\w*|missing) (?:\w+ )?authentication (?:information|result)"
    r"|fail\w*(?: to pass)?(?: the)? authentication check"
)
UNAUTHENTICATED = any_of(r"\b(?:spf|dkim|dmarc)\b", r"unauthenticated", _NO_AUTHENTICATION)
#: The same after the final dot. There a filter may list these names among its results, so only a failure matches.
NOT_AUTHENTICATED = any_of(
    r"unauthenticated (?:e-?mail|mail|message|sender)|(?:is|was|are) (?:not authenticated|unauthenticated)",
    r"(?:\b(?:spf|dkim|dmarc)\b|(?:sender|e-?mail|mail|message|domain) authentication)[\w :,;'()=/-]{0,40}"
    r"\b(?:fail|did not pass|does not pass|not pass|not align|violat|polic(?:y|ies)\b|reject|refus)",
    r"(?:fail\w*|violat\w*|due to|because of|not meet\w*)\b[\w :,;'()=/.-]{0,60}\b(?:spf|dkim|dmarc)\b",
    r"\b(?:spf|dkim|dmarc)\b[\w -]{0,30}\b(?:required|mandatory|needed|missing)"
    r"|(?:requir\w*|missing|without) [\w ]{0,20}\b(?:spf|dkim|dmarc)\b",
    _NO_AUTHENTICATION,
)
#: Words of Yahoo's 5.7.9 if it is about our authentication; without them it is about the content.
AUTHENTICATION = any_of(r"authenticat|\b(?:spf|dkim|dmarc)\b")
#: Yahoo's labels for our IP address: [TSS04], [TS03], [IPTS04].
YAHOO_LABEL = any_of(r"\[(?:ip)?tss?\d+\]")
#: Labels of other providers: Microsoft's (S3140), SC-001, RP-001 and Yahoo's [BL21].
_LABEL = r"\(s\d{3,4}\)|\bs(?:3140|3150|775)\b|\b(?:sc|dy|ou|rp|hc|ls)-\d{3}\b(?![.-])|\[bl\d+\]"
#: A provider's verdict on us in its own words, even if the text goes on to mention spam.
JUDGED = any_of(
    _LABEL,
    _NO_AUTHENTICATION,
    r"reputation of (?:the |your )?(?:sending|sender|ip\b)|(?:your|sender|sending)(?: \w+)? reputation",
    r"\b(?:network|ip|server|host|you)\b.{0,40}\b(?:on|in) (?:our|a|the) (?:block|deny|black) ?list",
    r"\bip (?:is )?not in (?:the |our )?(?:white|allow)-?list|\bip you.{0,4} (?:are )?using to send",
    r"(?:client|sending) host .{0,60}blocked using",
)
#: A later attempt may succeed, even if the code says otherwise.
TEMPORARY = any_of(
    r"\btempor[aäá]|\bvor(?:ü|ue)bergehend|\bprovisoire",
    # Russian and Chinese: "for the time being", "later".
    r"\u0432\u0440\u0435\u043c\u0435\u043d\u043d\u043e|\u043f\u043e\u0437\u0436\u0435|\u7a0d\u540e",
    r"plus tard|\bsp(?:ä|ae)ter|m[aá]s tarde|pi[uù]'? tardi|mais tarde|novamente|\berneut|opnieuw|p[oó][zź]niej",
    r"(?<!not )\btry(?:ing)? (?:\w+ ){0,3}(?:again|later|back)|(?<!not )\bretry\b",
    r"re-?send(?:ing)?\b.{0,60}\blater|(?:a|some|sometime|please|come|back|again) later\b|later time",
    r"again (?:in|after|within) (?:a |an )?(?:few |some )?(?:\d+ ?)?(?:sec|min|hour|moment|while|day)",
    r"\bcurrently\b|at (?:this|the) (?:time|moment)\b|right now|\bdeferred\b",
)
#: The mailbox may become available, or the server could not tell: maintenance, a move, a payment, a failed lookup.
NOT_YET = any_of(
    r"maintenance|mantenimiento|manuten[cç]|\bwartung|\bgewartet|\bpending\b|\bawait|\bwaiting\b|in progress|\buntil\b",
    r"\b(?:on|under|in) (?:hold|review)\b|\bheld\b|\bdormant|\boutage|\bbusy\b|\boverload|\bnot yet\b|\bsoon\b",
    r"\bbackup\b",
    r"\bpay(?:ment|ing)?\b|\bunpaid|\b(?:un)?lock(?:ed|out)?\b|\bfrozen\b|\bpaused\b|\bhibernat|\bmigrat|\bupgrad",
    r"(?:will|can|could|may|might) be (?:re-?)?(?:activated|enabled|opened|restored|available)",
    r"\bre-?(?:activat|stor)ing",
    r"re-?activat\w+ (?:at|on|by|when)|not (?:yet |been )?(?:activated|created|provisioned|set up|enabled|confirmed)\b",
    r"\bbeing (?:\w+ed|rebuilt|set up)\b|\breplicat|\bpropagat|\bretrying|(?:confirm|verify) (?:first|your)",
    r"\bunverified",
    r"\b(?:in|within|for the next) (?:a |an )?(?:few )?\d* ?(?:sec|min|hour|day|week)\w*\b|tomorrow|weekend|vacation",
    r"holiday",
    r"\b(?:disk|i/?o|hardware|storage|system|server|software|internal) (?:fail|err|crash|problem)",
    r"\bserver .{0,10}\bdown\b",
    r"(?:unable to|could(?: not|n['\u2019]t)|cannot|can['\u2019]t)(?: be)? "
    r"(?:verif|determin|check|look up|resolv|reach|quer)",
    # A lookup that found no such domain did not fail: it is an answer.
    r"^(?!.*(?:nxdomain|hard error|not found|no such)).*(?:"
    r"\b(?:look-?up|ldap|dns|database|directory|back-?end|name ?server|resolver|quer(?:y|ies)|call-?out)\b"
    r".{0,30}(?:\bfail|\berror|unavailable|unreachable|not (?:complete|respond|available)|incomplete|problem|\bdown\b)"
    r"|(?:fail\w*|error|problem)(?: \w+){0,3} (?:look[- ]?up|ldap|dns|quer\w+|database|directory))",
    r"serv-?fail|timed?[- ]?out\b|did not complete",
    r"(?:connect\w*|network)\b.{0,20}(?:refused|lost|reset|fail|unreachable)",
    r"no (?:answer|response) from .{0,20}(?:server|dns|ldap|directory|resolver)",
    # Another server's reply, passed on, or an enhanced code of class 4.
    r"\bsaid:? 4\d\d\b|(?<![\d.])4\.\d{1,3}\.\d{1,3}(?![\d.]*\d)",
)
#: Refused for another reason than a non-existent address: nothing final about the recipient.
NOT_FINAL = any_of(
    r"(?<![\w/.=&?#-])polic(?:y|ies)\b|\blimit|\brestrict|\bquota|\bsuspen[ds]|\bblocked\b|\bblack-?list",
    r"(?:access|permission|delivery|connection|sender|message|mail) (?:is |was |has been )?(?:denied|refused|rejected)",
    r"\b(?:not|\w+n['\u2019]t|never)(?: be| been)? (?:allowed|permitted|authori[sz]ed|accepted from)|\bunauthori[sz]ed",
    r"\brates?\b|\btoo (?:many|much|fast|quick|frequent)|\bthrottl|\bvolume\b",
    r"\byour (?:[\w-]+ ){0,2}(?:ips?|domain|network|host|server|isp|reputation)\b(?! admin)|\breputation",
    r"\b(?:white|safe|allow)-?list|\bonly (?:\w+ )?accept|accepts? .{0,30}\bonly\b|\bjunk\b",
    r"\b(?:external|outside) send",
    r"\breverse dns|\brdns\b|\bptr\b|\b(?:spf|dkim|dmarc)\b|\bsender (?:\w+ )?(?:syntax|invalid|bad|domain)",
    # "Mailbox disabled, not accepting messages" is how RFC 3463 explains X.2.1.
    r"(?<!disabled, )\bnot accepting\b|not accept\w* .{0,20}(?:\bfrom\b|external|outside)"
    r"|(?:internal|local) (?:senders|mail) only",
    r"\bsender(?:'s)?(?: e-?mail)?(?: address)?(?: is| was)? (?:not|un|dis)|administrative|prohibit",
    # An inactive mailbox may become active again. One that is "unknown or inactive" is not there.
    r"^(?!.*(?:unknown|not found|no such|invalid|n[o'\u2019]t exist|not exist)).*\bin-?active",
)
#: Words such as "check" and "try" as advice: the address is wrong, and a corrected one may be tried.
_CORRECT_IT = (
    rf"^(?!.*(?:temporar|{NOT_YET.pattern}|{NOT_FINAL.pattern}))"
    r"(?=.*(?:check|verif|confirm|correct|spelling|typo|mistake)\w*\b[^.;]{0,80}\btry)"
)
CORRECT_AND_TRY = any_of(_CORRECT_IT)
UNKNOWN_CORRECT_AND_TRY = any_of(rf"{_CORRECT_IT}(?=.*(?:{USER_UNKNOWN.pattern}))")
#: Refused for its content: the next recipient's server would refuse it, too.
SPAM = any_of(r"\bspam(?!haus|cop)|\bvirus|phish|malware")
CONTENT_REFUSED = any_of(
    SPAM.pattern,
    r"unsolicited|\bbulk (?:e-?mail|mail)\b|(?:message|mail)(?:'s)? contents?\b|\bcontent[- ]?filter",
    r"\bcontents? (?:polic|reject|refus|block|restrict|is |was |not )",
    r"(?:due to|because of|for|of)(?: its| the)? content",
)
#: Our IP address is refused; the words name us plainly, so they count in any phase.
OUR_IP = any_of(
    r"your (?:(?:sending |mail |smtp |e-?mail )?(?:ip|host|server|network|mta|isp)\b|reverse)",
    r"(?:client|sending|connecting|source|sender'?s?) (?:host|ip|server)\b.{0,80}"
    r"(?:block|bann|list|reject|denied|refus)",
    r"\bip(?: address)?\b.{0,60}(?:block|bann|listed|blacklist|reject|reputation|denied)",
    r"(?:block|bann|list|reject|refus)\w* .{0,40}\bip(?: address)?\b|reputation of (?:the |your )?(?:sending|ip)",
    r"banned send|\bptr\b|reverse[- ]?(?:dns|lookup|hostname)|\brdns\b|cannot find your|helo command rejected",
)
#: A block list is named. Before DATA only our IP address can be meant; later it may be a link in the content.
BLOCK_LIST = any_of(
    r"spamhaus|spamcop|barracuda|sorbs|abuseat|uceprotect|senderscore|invaluement|mailspike|\bpsbl\b",
    r"dnsbl|\brbl|\bsbl\b|\bxbl\b|\bpbl\b|black ?hole|(?:black|block|deny)[- ]?list|listed (?:at|in|on|by)|reputation",
)
#: A provider's limit for our email to all its mailboxes. Connection limits are those of the server that we talk to.
PROVIDER_LIMIT = any_of(
    rf"^(?!.*(?:connection|session|concurren)).*(?:{RATE.pattern}|unsolicited|{OUR_IP.pattern}|{BLOCK_LIST.pattern})"
)
TOO_BIG = any_of(r"(?:message|mail|size)[\w ,.]{0,40}(?:too (?:big|large)|exceed\w* .{0,40}(?:size|limit|maximum))",
                 r"size (?:limit )?exceed|exceed\w* .{0,40}message size|too (?:big|large)")  # fmt: skip
ACCESS_DENIED = any_of(r"access denied")
ADDRESS_REJECTED = any_of(r"^address rejected")
