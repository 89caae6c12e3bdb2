"""Refusals -> decisions, as data. Within a table the first rule that fits decides.

A rule fits when all that it names fits: reply codes, enhanced codes (a pattern for the whole
code, RFC 3463 and the registry of RFC 5248) and words of the text. Rules of the text come after
codes, except where a text is known to be more exact than the code that servers send with it.
Nothing but a refusal that is about the address itself may end in BOUNCE: it suppresses.
"""

import re
from dataclasses import dataclass

from notifier.delivery.smtp.outcome import Decision, Phase, Scope

#: Greylisting servers forget a first try that comes back too soon; most want five minutes.
GREYLIST_DELAY = 300.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Decision and scope of the refusals that fit."""

    decision: Decision
    scope: Scope
    codes: frozenset[int] = frozenset()
    enhanced: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    min_delay: float = 0

    def fits(self, code: int, enhanced: str, text: str) -> bool:
        """Whether all that this rule names fits; `text` is in lower case."""
        if self.codes and code not in self.codes:
            return False
        if self.enhanced is not None and not self.enhanced.fullmatch(enhanced):
            return False
        return self.text is None or self.text.search(text) is not None


def _rule(
    decision: Decision,
    scope: Scope,
    *codes: int,
    status: str | None = None,
    text: re.Pattern[str] | None = None,
    min_delay: float = 0,
) -> Rule:
    pattern = re.compile(status.replace(".", r"\.")) if status else None
    return Rule(decision, scope, frozenset(codes), pattern, text, min_delay)


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


_WHO = r"(?:e-?mail|user|recipient|mailbox|mail ?box|account|addressee|subscriber|local part|customer)"
_GONE = (
    r"(?:unknown|not (?:be )?(?:known|found|exist|valid|recognized|listed|registered|active|available here)"
    r"|do(?:es)? ?n[o'\u2019]?t exist|non-?existent|in-?valid|in-?active|no longer|disabled|de-?activated"
    r"|suspended|closed|terminated|deleted|discontinued|expired|is not (?:a )?(?:valid|known))"
)

#: The address does not exist, or will never take mail again.
USER_UNKNOWN = _words(
    r"(?:no such|no known|unknown|invalid|bad|non-?existent|in-?active|disabled|not an? (?:valid|known)|undeliverable) "
    rf"(?:local |e-?mail |destination |smtp )?(?:{_WHO}|recipient address|address|person|one\b)",
    rf"\b{_WHO}(?: name| address| account| id)?(?: in [\w ]+)?[: ]*(?:[<\[(]?\S+@\S+[>\])]?,?:? )?"
    rf"(?:has been |has |is |was |are |that you tried to reach |could |currently |temporarily )*{_GONE}",
    rf"\baddress (?:is |was )?{_GONE}",
    r"(?:does not|doesn't|do not) have an? .{0,40}(?:account|mailbox)",
    r"no (?:mailbox|user|account|recipient|one|person)\b.{0,20}(?:here|by that name|with that name|at this address)",
    r"(?:requested action not taken|^): ?mailbox unavailable|mailbox (?:is )?unavailable",
    r"un-?rout[e]?able (?:address|mail)|not our customer|recipient (?:was |is )?not found",
    r"(?:user|recipient) is not (?:local|here)|no mailbox",
)
#: The mailbox exists and is full: soft, whatever code comes with it.
MAILBOX_FULL = _words(
    r"over ?quota|quota (?:is |was |has been )?(?:exceed|full)|exceed\w* .{0,40}quota|out of quota",
    r"(?:mail ?box|inbox|account|user)(?: \S+@\S+)? (?:is |storage |has )*(?:full|too full)|full mail ?box",
    r"not enough (?:storage |disk )?space|out of (?:storage )?space|(?:storage|mailbox) (?:limit|size)",
)
GREYLISTED = _words(r"gr[ae]y-? ?list", r"first[- ]time sender", r"unknown .{0,20}triplet")
RATE = _words(
    r"rate[- ]?limit|\brate (?:of|is|exceed|control|that)|unusual rate|throttl|slow(?:ed)? down",
    r"(?:sending|message|mail|e-?mail|connection|delivery|recipient|maximum|high) rate",
    r"too (?:many|much|fast|quick|frequent|often)|concurren|unexpected volume|(?:high|unusual) volume",
    r"(?:sending|hourly|connection|message|messages|recipient|recipients|session|traffic|submission) (?:limit|quota)",
    r"max(?:imum|\.)? .{0,30}(?:connections|messages|recipients|sessions).{0,40}(?:exceed|reach)",
    r"(?:messages|connections|recipients|mails) per (?:second|minute|hour|session|connection|day)",
)
#: Our provider's own allowance for the day: hours, not seconds.
DAILY_QUOTA = _words(
    r"daily (?:message|user sending|sending|mail|e-?mail|smtp|relay|user|submission)[\w ]{0,20}(?:quota|limit)",
    r"(?:sending|message|mail) (?:quota|limit) for (?:the|this|24) ?(?:day|hours)|daily (?:quota|limit)",
)
RELAY_DENIED = _words(
    r"relay(?:ing)?(?: \w+){0,3} (?:denied|prohibited|not (?:permitted|allowed)|rejected|disallowed|refused)",
    r"(?:unable|not permitted|not allowed|denied|cannot|can't|refus\w+|does not|do not|don't|won't|no)"
    r"(?: to)? relay(?:ing)?\b",
    r"relay not|not an? open relay|relay access",
)
AUTH_NEEDED = _words(
    r"authentication (?:is )?(?:required|needed|credentials)|must (?:be |first )?(?:authenticat|issue a starttls)",
    r"(?:client|user|session|you are|is) not authenticated|authenticate (?:first|yourself|before)|log ?in first",
)
#: Our sender is refused, not the recipient (`x@x`, see `echo.py`).
SENDER_REFUSED = _words(
    r"sender(?:'s)?(?: e-?mail)?(?: address| domain)?(?:[: ]{1,3}(?!<?x@x\b)(?:<\S*>|[^\s@]+@\S+):?)? "
    r"(?:is |was |has been )?(?:rejected|denied|refused|not verified|unverified|unknown|not found|invalid"
    r"|does not (?:exist|resolve)|domain must)",
    r"sender verif\w+|(?:invalid|unknown|unverified|unresolvable) (?:return path|sender)|sender domain",
    r"domain of sender|send as (?:this|that)|to send (?:as|from|on behalf|using)|bad (?:sender|return path)",
)
NOT_VERIFIED = _words(r"(?:address|identity|domain|sender|identities|from)[\w ]{0,30}(?:not verified|unverified)",
                      r"not (?:been )?verified")  # fmt: skip
UNAUTHENTICATED = _words(r"\b(?:spf|dkim|dmarc)\b", r"unauthenticated")
#: Our address in the network is refused; the words name us plainly, so they hold in any phase.
OUR_IP = _words(
    r"your (?:(?:sending |mail |smtp |e-?mail )?(?:ip|host|server|network|mta|isp)\b|reverse)",
    r"(?:client|sending|connecting|source|sender'?s?) (?:host|ip|server)\b.{0,80}"
    r"(?:block|bann|list|reject|denied|refus)",
    r"\bip(?: address)?\b.{0,60}(?:block|bann|listed|blacklist|reject|reputation|denied)",
    r"(?:block|bann|list|reject|refus)\w* .{0,40}\bip(?: address)?\b|reputation of (?:the |your )?(?:sending|ip)",
    r"banned send|\bptr\b|reverse[- ]?(?:dns|lookup|hostname)|\brdns\b|cannot find your|helo command rejected",
)
#: A block list is named. Before DATA only our address can be meant; later it may be a link.
BLOCK_LIST = _words(
    r"spamhaus|spamcop|barracuda|sorbs|abuseat|uceprotect|senderscore|invaluement|mailspike|\bpsbl\b",
    r"dnsbl|\brbl|\bsbl\b|\bxbl\b|\bpbl\b|black ?hole|(?:black|block|deny)[- ]?list|listed (?:at|in|on|by)|reputation",
)
TOO_BIG = _words(r"(?:message|mail|size)[\w ,.]{0,40}(?:too (?:big|large)|exceed\w* .{0,40}(?:size|limit|maximum))",
                 r"size (?:limit )?exceed|exceed\w* .{0,40}message size|too (?:big|large)")  # fmt: skip
ACCESS_DENIED = _words(r"access denied")
ADDRESS_REJECTED = _words(r"^address rejected")

_R, _T, _H, _F, _B = Decision.RETRY, Decision.THROTTLE, Decision.HOLD, Decision.FAIL, Decision.BOUNCE
_MSG, _RCPT, _DOM = Scope.MESSAGE, Scope.RECIPIENT, Scope.DOMAIN
_SENDER, _CONTENT, _US = Scope.SENDER, Scope.CONTENT, Scope.TRANSPORT

#: Address codes that say: never. 5.2.1 is a disabled mailbox, 5.1.10 a null MX (RFC 7505).
_DEAD = r"5.1.(?:1|2|3|4|6|10)|5.2.1"
#: SPF, DKIM, DMARC, PTR (RFC 7372, RFC 8616), "send as", and the blocks of Exchange Online.
_OURS = r"5.7.(?:2\d|57|60|64|50[1-3]|506|50[89]|51[01]|6[0-4]\d|7\d\d)"
_AUTH_CODES = (530, 534, 535, 538)
_PROTOCOL = (500, 502, 503, 504)

_ANY_4XX = (
    _rule(_H, _US, text=DAILY_QUOTA),
    _rule(_T, _DOM, 421, status=r"4.7.28"),
    _rule(_T, _US, 421),
)
_MAIL_4XX = (
    *_ANY_4XX,
    _rule(_R, _US, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_T, _US, status=r"4.5.3|4.7.28|4.2.1"),
    _rule(_T, _US, 432),
    _rule(_T, _US, 450, status=r"4.7.\d+"),
    _rule(_T, _US, text=RATE),
    _rule(_R, _US),
)
_MAIL_5XX = (
    _rule(_F, _CONTENT, status=r"5.3.4|5.2.3|5.6.\d+"),
    _rule(_F, _CONTENT, 552),
    _rule(_F, _MSG, 555),
    _rule(_F, _CONTENT, text=TOO_BIG),
    _rule(_H, _US, *_AUTH_CODES, *_PROTOCOL),
    _rule(_H, _US, text=OUR_IP),
    _rule(_H, _US, text=BLOCK_LIST),
    _rule(_H, _SENDER),
)
_RCPT_4XX = (
    *_ANY_4XX,
    _rule(_T, _DOM, status=r"4.7.28"),
    _rule(_R, _RCPT, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_R, _RCPT, status=r"4.2.2"),
    _rule(_T, _RCPT, status=r"4.2.1"),
    _rule(_T, _US, 432),
    _rule(_T, _US, status=r"4.5.3"),
    _rule(_R, _RCPT, text=MAILBOX_FULL),
    _rule(_T, _DOM, text=RATE),
    _rule(_R, _RCPT, status=r"4.[12].\d+"),
    _rule(_R, _DOM, status=r"4.[347].\d+"),
    _rule(_R, _RCPT),
)
_RCPT_5XX = (
    _rule(_H, _US, *_AUTH_CODES),
    _rule(_H, _SENDER, status=rf"5.1.[78]|{_OURS}"),
    _rule(_H, _US, text=DAILY_QUOTA),
    _rule(_H, _US, text=RELAY_DENIED),
    _rule(_H, _SENDER, text=SENDER_REFUSED),
    _rule(_F, _RCPT, status=r"5.2.2"),
    _rule(_F, _CONTENT, status=r"5.3.4|5.2.3"),
    _rule(_F, _RCPT, text=MAILBOX_FULL),
    _rule(_F, _RCPT, status=r"5.2.1", text=RATE),
    _rule(_B, _RCPT, 556),
    _rule(_B, _RCPT, status=_DEAD),
    _rule(_B, _RCPT, status=r"5.4.1", text=ACCESS_DENIED),
    _rule(_H, _US, text=OUR_IP),
    _rule(_H, _US, text=BLOCK_LIST),
    _rule(_H, _US, text=AUTH_NEEDED),
    _rule(_H, _SENDER, text=UNAUTHENTICATED),
    _rule(_F, _CONTENT, 552),
    _rule(_F, _RCPT, status=r"5.7.\d+|5.6.\d+"),
    _rule(_B, _RCPT, text=USER_UNKNOWN),
    _rule(_B, _RCPT, status=r"5.1.0", text=ADDRESS_REJECTED),
    _rule(_F, _US, *_PROTOCOL),
    _rule(_F, _RCPT),
)
_DATA_4XX = (*_ANY_4XX, _rule(_T, _US, 454, text=RATE), _rule(_R, _US))
_DATA_5XX = (_rule(_H, _US, *_AUTH_CODES), _rule(_H, _SENDER, status=_OURS), _rule(_F, _MSG))
_EOD_4XX = (
    *_ANY_4XX,
    _rule(_R, _MSG, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_R, _RCPT, status=r"4.2.2"),
    _rule(_R, _RCPT, text=MAILBOX_FULL),
    _rule(_T, _US, status=r"4.7.28"),
    _rule(_T, _US, text=RATE),
    _rule(_R, _MSG),
)
_EOD_5XX = (
    _rule(_H, _US, *_AUTH_CODES),
    _rule(_H, _SENDER, status=rf"5.1.[78]|{_OURS}"),
    _rule(_H, _US, text=DAILY_QUOTA),
    _rule(_H, _SENDER, text=NOT_VERIFIED),
    _rule(_H, _US, text=RELAY_DENIED),
    _rule(_H, _SENDER, text=SENDER_REFUSED),
    _rule(_F, _RCPT, status=r"5.2.2"),
    _rule(_F, _RCPT, text=MAILBOX_FULL),
    _rule(_B, _RCPT, 556),
    _rule(_B, _RCPT, status=_DEAD),
    _rule(_B, _RCPT, status=r"5.4.1", text=ACCESS_DENIED),
    _rule(_H, _US, text=OUR_IP),
    _rule(_F, _CONTENT, 552),
    _rule(_F, _CONTENT, status=r"5.[67].\d+|5.3.4|5.2.3"),
    _rule(_F, _CONTENT, text=_words(r"spam|unsolicited|virus|content|phish|malware|policy|block")),
    _rule(_B, _RCPT, text=USER_UNKNOWN),
    _rule(_F, _MSG),
)
#: Before MAIL nothing can be a recipient's fault: busy servers throttle, refusals hold.
_SESSION_4XX, _SESSION_5XX = (_rule(_T, _US),), (_rule(_H, _US),)
_SESSION = (Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)

#: (phase, first digit of the code) -> rules; the last rule of each table fits everything.
REFUSALS: dict[tuple[Phase, int], tuple[Rule, ...]] = {
    **{(phase, 4): _SESSION_4XX for phase in _SESSION},
    **{(phase, 5): _SESSION_5XX for phase in _SESSION},
    (Phase.MAIL, 4): _MAIL_4XX,
    (Phase.MAIL, 5): _MAIL_5XX,
    (Phase.RCPT, 4): _RCPT_4XX,
    (Phase.RCPT, 5): _RCPT_5XX,
    (Phase.DATA, 4): _DATA_4XX,
    (Phase.DATA, 5): _DATA_5XX,
    (Phase.EOD, 4): _EOD_4XX,
    (Phase.EOD, 5): _EOD_5XX,
}
