"""Map refusals to decisions, as data. Within a table the first rule that fits decides.

A rule fits if everything that it names fits: reply codes, enhanced codes (a pattern for the whole code, RFC 3463 and
the registry of RFC 5248) and words of the text. Rules for texts come after those for codes, unless a text is known to
be more exact than the code that servers send with it. Only a refusal of the address itself may end in BOUNCE, because
BOUNCE suppresses the address. Words about time, maintenance, a failed lookup, a limit, a policy or about us overrule
it.

Some rules apply only to recipients at known providers (`known`, by the recipient's domain): there a block list, a
reputation or a limit is the provider's verdict on us, and it stops or slows what goes to that provider. These affect
the whole transport: the same words at any other domain, and everywhere a login request, relaying denied, a refused
sender, our daily allowance, connection limits, 432, 454 and a bare 421. Behind a smarthost these are its own words,
which it would say for every recipient; for us it looks the same as a server of an unknown domain. The breaker keeps
the cost low: it sends one email after the other as a probe, and the first that gets through reopens the transport.
"""

import re
from dataclasses import dataclass

from notifier.smtp.outcome import Decision, Phase, Scope
from notifier.smtp.reply_phrases import (
    ACCESS_DENIED,
    ADDRESS_REJECTED,
    AUTH_NEEDED,
    AUTHENTICATION,
    BLOCK_LIST,
    CONTENT_REFUSED,
    CORRECT_AND_TRY,
    DAILY_QUOTA,
    GREYLISTED,
    JUDGED,
    MAILBOX_FULL,
    NOT_AUTHENTICATED,
    NOT_FINAL,
    NOT_VERIFIED,
    NOT_YET,
    ONE_MAILBOX,
    OUR_IP,
    PROVIDER_LIMIT,
    RATE,
    RELAY_DENIED,
    SENDER_REFUSED,
    SPAM,
    TEMPORARY,
    TOO_BIG,
    UNAUTHENTICATED,
    UNKNOWN_CORRECT_AND_TRY,
    USER_UNKNOWN,
    YAHOO_LABEL,
    any_of,
)

#: Seconds. Greylisting servers ignore a retry that comes too soon; most ask for five minutes.
GREYLIST_DELAY = 300.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The decision and the scope for all refusals that fit the other fields."""

    decision: Decision
    scope: Scope
    codes: frozenset[int] = frozenset()
    enhanced: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    min_delay: float = 0
    #: Whether the rule applies only to recipients at known providers.
    known: bool = False

    def fits(self, code: int, enhanced: str, text: str, *, known: bool) -> bool:
        """Return whether this rule fits. `text` is in lower case; `known`: the recipient is at a known provider."""
        if self.known and not known:
            return False
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
    known: bool = False,
) -> Rule:
    pattern = re.compile(status.replace(".", r"\.")) if status else None
    return Rule(decision, scope, frozenset(codes), pattern, text, min_delay, known)


_R, _T, _H, _F, _B = Decision.RETRY, Decision.THROTTLE, Decision.HOLD, Decision.FAIL, Decision.BOUNCE
_MSG, _RCPT, _DOM, _PROV = Scope.MESSAGE, Scope.RECIPIENT, Scope.DOMAIN, Scope.PROVIDER
_SENDER, _CONTENT, _US = Scope.SENDER, Scope.CONTENT, Scope.TRANSPORT

#: Codes of addresses that will never accept email. 5.2.1 is a disabled mailbox, 5.1.10 a null MX (RFC 7505).
_DEAD = r"5.1.(?:1|2|3|4|6|10)|5.2.1"
#: The server that we log in to does not let us send as this sender (Exchange Online as a relay).
_OURS = r"5.7.(?:57|60|64|7\d\d)"
#: A provider's verdict on us, for all its mailboxes: SPF, DKIM, PTR (RFC 7372), Gmail's sender rules (alignment,
#: DMARC), those of Exchange Online, and its lists of banned senders.
_JUDGED = r"5.7.(?:2\d|3\d|40|50[1-3]|506|50[89]|51[015]|6[0-4]\d)"
#: The same verdicts as temporary codes, which only slow us down.
_SLOWED = r"4.7.(?:2[3-9]|3\d|40)"
_BUSY = r"4.7.(?:[56]\d\d|8[5-9]\d)"
_AUTH_CODES = (530, 534, 535, 538)
_PROTOCOL = (500, 502, 503, 504)

#: Codes with which a provider slows us down; 432, 452 and 454 concern the server that we talk to.
_SLOWING = (421, 450, 451)
_ANY_4XX = (
    _rule(_H, _US, text=DAILY_QUOTA),
    _rule(_T, _PROV, 421, status=rf"{_SLOWED}|{_BUSY}"),
    _rule(_T, _PROV, text=YAHOO_LABEL),
    *(_rule(_T, _PROV, *_SLOWING, text=said, known=True) for said in (PROVIDER_LIMIT, JUDGED)),
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
    _rule(_R, _RCPT, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_R, _RCPT, status=r"4.2.2"),
    _rule(_T, _RCPT, status=r"4.2.1"),
    _rule(_T, _RCPT, text=ONE_MAILBOX),
    *_ANY_4XX,
    _rule(_T, _PROV, status=_SLOWED),
    _rule(_R, _DOM, status=r"4.7.500"),  # "server busy", which concerns this domain alone
    _rule(_T, _PROV, status=_BUSY),
    _rule(_T, _US, 432),
    _rule(_T, _US, status=r"4.5.3"),
    _rule(_R, _RCPT, text=MAILBOX_FULL),
    _rule(_T, _DOM, text=RATE),
    _rule(_R, _RCPT, status=r"4.[12].\d+"),
    _rule(_R, _DOM, status=r"4.[347].\d+"),
    _rule(_R, _RCPT),
)
#: Refusals about us, by code or by unambiguous words, in any phase that knows the recipient.
_ABOUT_US_5XX = (
    _rule(_H, _US, *_AUTH_CODES),
    _rule(_H, _SENDER, status=rf"5.1.[78]|{_OURS}"),
    _rule(_H, _PROV, status=_JUDGED),
    _rule(_H, _PROV, text=YAHOO_LABEL),
    _rule(_H, _PROV, status=r"5.7.9", text=AUTHENTICATION),
    _rule(_F, _CONTENT, status=r"5.7.9"),
    _rule(_H, _US, text=DAILY_QUOTA),
    _rule(_H, _PROV, text=JUDGED, known=True),
)
#: Codes that say "never", preceded by the words that contradict them.
_DEAD_ADDRESS = (
    _rule(_R, _RCPT, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_F, _RCPT, status=r"5.2.1", text=RATE),
    _rule(_B, _RCPT, status=_DEAD, text=CORRECT_AND_TRY),
    _rule(_R, _RCPT, 556, text=TEMPORARY),
    _rule(_R, _RCPT, status=rf"{_DEAD}|5.4.1", text=TEMPORARY),
    _rule(_F, _CONTENT, status=_DEAD, text=CONTENT_REFUSED),
    _rule(_R, _RCPT, 556, text=NOT_YET),
    _rule(_R, _RCPT, status=rf"{_DEAD}|5.4.1", text=NOT_YET),
    _rule(_F, _RCPT, status=_DEAD, text=NOT_FINAL),
    _rule(_B, _RCPT, 556),
    _rule(_B, _RCPT, status=_DEAD),
    _rule(_B, _RCPT, status=r"5.4.1", text=ACCESS_DENIED),
)
_RCPT_5XX = (
    *_ABOUT_US_5XX,
    _rule(_H, _US, text=RELAY_DENIED),
    _rule(_H, _SENDER, text=SENDER_REFUSED),
    _rule(_F, _RCPT, status=r"5.2.2"),
    _rule(_F, _CONTENT, status=r"5.3.4|5.2.3"),
    *(_rule(_F, _RCPT, text=said) for said in (MAILBOX_FULL, ONE_MAILBOX)),
    *_DEAD_ADDRESS,
    *(_rule(_H, _PROV, text=said, known=True) for said in (OUR_IP, BLOCK_LIST)),
    _rule(_H, _US, text=OUR_IP),
    _rule(_H, _US, text=BLOCK_LIST),
    _rule(_H, _US, text=AUTH_NEEDED),
    _rule(_H, _PROV, text=UNAUTHENTICATED),
    _rule(_F, _CONTENT, 552),
    _rule(_B, _RCPT, text=UNKNOWN_CORRECT_AND_TRY),
    _rule(_R, _RCPT, text=TEMPORARY),
    _rule(_F, _CONTENT, text=CONTENT_REFUSED),
    _rule(_F, _RCPT, status=r"5.7.\d+|5.6.\d+"),
    _rule(_R, _RCPT, text=NOT_YET),
    _rule(_F, _RCPT, text=NOT_FINAL),
    _rule(_B, _RCPT, text=USER_UNKNOWN),
    _rule(_B, _RCPT, status=r"5.1.0", text=ADDRESS_REJECTED),
    _rule(_F, _US, *_PROTOCOL),
    _rule(_F, _RCPT),
)
_DATA_4XX = (
    _rule(_T, _RCPT, text=ONE_MAILBOX),
    *_ANY_4XX,
    _rule(_T, _PROV, status=rf"{_SLOWED}|{_BUSY}"),
    _rule(_T, _US, 454, text=RATE),
    _rule(_R, _US),
)
_DATA_5XX = (
    *_ABOUT_US_5XX,
    *(_rule(_H, _PROV, text=said, known=True) for said in (OUR_IP, BLOCK_LIST, UNAUTHENTICATED)),
    _rule(_F, _MSG),
)
_EOD_4XX = (
    _rule(_R, _MSG, text=GREYLISTED, min_delay=GREYLIST_DELAY),
    _rule(_R, _RCPT, status=r"4.2.2"),
    _rule(_T, _RCPT, status=r"4.2.1", text=RATE),
    _rule(_T, _RCPT, text=ONE_MAILBOX),
    *_ANY_4XX,
    _rule(_T, _PROV, status=rf"{_SLOWED}|{_BUSY}"),
    _rule(_R, _RCPT, text=MAILBOX_FULL),
    _rule(_T, _US, text=RATE),
    _rule(_R, _MSG),
)
_EOD_5XX = (
    *_ABOUT_US_5XX,
    _rule(_H, _SENDER, text=NOT_VERIFIED),
    _rule(_H, _US, text=RELAY_DENIED),
    _rule(_H, _SENDER, text=SENDER_REFUSED),
    _rule(_F, _RCPT, status=r"5.2.2"),
    *(_rule(_F, _RCPT, text=said) for said in (MAILBOX_FULL, ONE_MAILBOX)),
    *_DEAD_ADDRESS,
    _rule(_H, _PROV, text=OUR_IP, known=True),
    _rule(_H, _US, text=OUR_IP),
    _rule(_F, _CONTENT, text=SPAM),
    _rule(_H, _PROV, text=NOT_AUTHENTICATED),
    _rule(_F, _CONTENT, 552),
    _rule(_F, _CONTENT, status=r"5.[67].\d+|5.3.4|5.2.3"),
    _rule(_F, _CONTENT, text=any_of(r"unsolicited|content|policy|block")),
    _rule(_B, _RCPT, text=UNKNOWN_CORRECT_AND_TRY),
    _rule(_R, _RCPT, text=TEMPORARY),
    _rule(_R, _RCPT, text=NOT_YET),
    _rule(_F, _RCPT, text=NOT_FINAL),
    _rule(_B, _RCPT, text=USER_UNKNOWN),
    _rule(_F, _MSG),
)
#: Before MAIL nothing can be a recipient's fault: a temporary refusal throttles, a permanent one holds.
_SESSION_4XX, _SESSION_5XX = (_rule(_T, _US),), (_rule(_H, _US),)
_SESSION = (Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)

#: Rules by phase and first digit of the code; the last rule of each table fits everything.
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
