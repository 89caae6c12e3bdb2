"""Decide by one statement why an email failed. Replies go through the classifier of our own SMTP dialogue.

Only what names the address itself is a reason to call it dead. Words about time, a limit, a policy, or about us
overrule it, as they do for a reply that we got ourselves.
"""

import re
from functools import lru_cache

from notifier.bounces import grammar, phrases
from notifier.bounces.reasons import Reason
from notifier.bounces.sender import NO_SENDER, Sender, is_meant
from notifier.bounces.texts import Statement
from notifier.smtp import reply_phrases as said
from notifier.smtp.classify import classify
from notifier.smtp.masking import masked
from notifier.smtp.outcome import MAX_TEXT, Decision, Phase, Reply
from notifier.smtp.reply_phrases import any_of

#: The code that a statement without one stands for: it was said about an email that failed.
_FAILED = 550
_VIRUS_OR_SPAM = any_of(
    said.CONTENT_REFUSED.pattern,
    r"\bjunk\b|content[- ]?(?:reject|filter|policy)|attachment|banned|executable|\bviren"
    r"|lines? (?:is |are |was )?too long|line length",
)
_POLICY = any_of(r"polic(?:y|ies)\b|administrative prohib|access denied|not permitted|security")

#: Codes that name the sender's domain (Courier writes the digits of X.1.7 and X.1.8 like this), and of a login.
_SENDER_CODES, _LOGIN_CODES = frozenset({517, 518}), frozenset({530, 534, 535, 538})

#: A heading of reports. To a server that replies it would be the cause, in a report it says what every report says.
_HEADING = re.compile(r"\bundeliver(?:able|ed)\b", re.IGNORECASE)
#: Postfix adds what the reply answered.
_IN_REPLY = re.compile(r"\(in reply to [^()]{0,60}\)")
#: The footer of a scanner, which is under every email and is no cause.
_SCANNED = re.compile(r"\b(?:scanned|checked) (?:for|by|and)\b[^.]{0,200}", re.IGNORECASE)
#: A reply that names two causes names none.
_EITHER = re.compile(
    r"\b(?:mail ?box|user|account|recipient|address)[\w ]{0,40} or (?:access|permission) (?:is )?denied", re.IGNORECASE
)
#: What RFC 5321 lets 553 say. "Not allowed" is about the name, and no policy.
_STANDARD_553 = re.compile(r"\bmailbox name not allowed\b", re.IGNORECASE)

#: Reasons by the enhanced code, with any class (RFC 3463, RFC 7372 and the codes of providers).
_BY_STATUS = (
    (Reason.MAILBOX_FULL, any_of(r"[45]\.2\.2")),
    (Reason.TOO_BIG, any_of(r"[45]\.(?:2\.3|3\.4)")),
    (Reason.LOOP, any_of(r"[45]\.4\.6")),
    (Reason.EXPIRED, any_of(r"[45]\.4\.7")),
    (Reason.AUTHENTICATION, any_of(r"[45]\.7\.(?:2[0-9]|3[0-9]|40|509|515)")),
    (Reason.BLOCKED, any_of(r"[45]\.7\.(?:50[0-8]|51[0-4]|6\d\d|7\d\d|8\d\d)")),
    (Reason.RESTRICTED, any_of(r"[45]\.7\.1(?:2[49]|3[0-9])")),
    (Reason.SENDER_REFUSED, any_of(r"[45]\.1\.[78]")),
)
#: Reasons by words, the most exact first.
_BY_WORDS = (
    (Reason.MAILBOX_FULL, any_of(said.MAILBOX_FULL.pattern, phrases.FULL.pattern)),
    (Reason.GREYLISTED, said.GREYLISTED),
    (Reason.TOO_BIG, said.TOO_BIG),
    (Reason.AUTHENTICATION, any_of(said.NOT_AUTHENTICATED.pattern, said.UNAUTHENTICATED.pattern)),
    (Reason.SENDER_REFUSED, phrases.SENDER_VERIFIED),
    (Reason.CONTENT, phrases.LINK_LISTED),
    (
        Reason.BLOCKED,
        any_of(
            phrases.BLOCKED.pattern,
            said.YAHOO_LABEL.pattern,
            said.JUDGED.pattern,
            said.OUR_IP.pattern,
            said.BLOCK_LIST.pattern,
        ),
    ),
    (Reason.RELAY_DENIED, any_of(said.RELAY_DENIED.pattern, phrases.NOT_OUR_DOMAIN.pattern)),
    (Reason.CONTENT, _VIRUS_OR_SPAM),
    (Reason.LOOP, phrases.LOOP),
    (Reason.RATE_LIMITED, said.RATE),
    (Reason.SENDER_REFUSED, any_of(said.SENDER_REFUSED.pattern, said.NOT_VERIFIED.pattern)),
    (Reason.EXPIRED, phrases.EXPIRED),
    (Reason.UNREACHABLE, phrases.UNREACHABLE),
    (Reason.RESTRICTED, any_of(phrases.RESTRICTED.pattern, phrases.NOT_WANTED.pattern)),
    (Reason.SUSPENDED, phrases.SUSPENDED),
    (Reason.POLICY, any_of(_POLICY.pattern, said.AUTH_NEEDED.pattern)),
    (Reason.SERVER_FAULT, phrases.SERVER_FAULT),
)
_VAGUE_STATUS = (
    (Reason.UNREACHABLE, any_of(r"[45]\.4\.\d{1,3}")),
    (Reason.POLICY, any_of(r"[45]\.7\.\d{1,3}")),
    (Reason.CONTENT, any_of(r"[45]\.6\.\d{1,3}")),
    (Reason.SERVER_FAULT, any_of(r"[45]\.[35]\.\d{1,3}")),
)
#: Reasons for a dead address, by words.
_DEAD_BY_WORDS = (
    (Reason.NULL_MX, phrases.NULL_MX),
    (Reason.HOST_UNKNOWN, phrases.HOST_UNKNOWN),
    (Reason.MOVED, phrases.MOVED),
)
#: The same for what no rule of the classifier fits: words of reports.
_DEAD_IN_REPORTS = (
    *_DEAD_BY_WORDS,
    (Reason.USER_UNKNOWN, phrases.USER_UNKNOWN_IN_REPORT),
    (Reason.USER_UNKNOWN, phrases.USER_UNKNOWN_ABROAD),
    (Reason.DISABLED, phrases.DISABLED),
)
#: What a status says about the address by itself, if a report says nothing else (RFC 3463, section 3.2).
DEAD_BY_STATUS_ALONE = {
    "5.1.1": Reason.USER_UNKNOWN,
    "5.1.2": Reason.HOST_UNKNOWN,
    "5.1.3": Reason.USER_UNKNOWN,
    "5.1.6": Reason.MOVED,
    "5.1.10": Reason.USER_UNKNOWN,
}
_DEAD_BY_STATUS = {
    "5.1.2": Reason.HOST_UNKNOWN,
    "5.1.10": Reason.NULL_MX,
    "5.1.6": Reason.MOVED,
    "5.2.1": Reason.DISABLED,
}
#: Reasons after which a statement about the address is not believed.
_DOUBT = (
    said.GREYLISTED, said.TEMPORARY, said.NOT_YET, said.NOT_FINAL, said.CONTENT_REFUSED, said.RELAY_DENIED,
    said.SENDER_REFUSED, said.OUR_IP, said.BLOCK_LIST, said.UNAUTHENTICATED, phrases.FULL, phrases.SUSPENDED,
    phrases.RESTRICTED, phrases.ABOUT_SENDER, phrases.OTHER_END,
)  # fmt: skip
#: The same, where the code says that the address is dead: the words are more exact.
_OVERRULED = (
    said.TOO_BIG, phrases.FULL, phrases.LOOP, phrases.COMES_BACK, phrases.NOT_WANTED, phrases.ABOUT_SENDER
)  # fmt: skip


@lru_cache(maxsize=512)
def judge(statement: Statement, recipient: str = "", sender: Sender = NO_SENDER) -> Reason:
    """Return why this was said. REFUSED: a refusal that says nothing more. `recipient` may be empty."""
    text = statement.text[:MAX_TEXT]
    if statement.joined:
        text = f"{text} ; {statement.joined[:MAX_TEXT]}"
    text = _EITHER.sub("", _STANDARD_553.sub("", text))
    if not statement.code:
        text = _SCANNED.sub("", _HEADING.sub("", text))
    code = statement.code or (450 if statement.enhanced.startswith("4") else _FAILED)
    if code < 400:
        return Reason.DELIVERED
    lower = masked(text.lower(), recipient).replace("_", " ")
    about_us = any(
        is_meant(masked(each[:MAX_TEXT].lower(), recipient), sender, replied=bool(statement.code))
        for each in (statement.text, statement.joined)
    )
    enhanced = statement.enhanced or None
    if code >= 500 and statement.phase is not Phase.MAIL and not phrases.SENDER_VERIFIED.search(lower):
        dead = _dead(Reply(code, text, enhanced), statement, recipient, lower)
        if dead:
            return Reason.SENDER_REFUSED if about_us else dead
    reason = _alive(lower, statement.enhanced)
    about_sender = statement.phase is Phase.MAIL or code in _SENDER_CODES or (about_us and statement.code)
    return Reason.SENDER_REFUSED if reason is Reason.REFUSED and about_sender else reason


def _dead(reply: Reply, statement: Statement, recipient: str, lower: str) -> Reason | None:
    """Return why the address is dead; None if this does not say so."""
    if phrases.NOT_IN_DIRECTORY.search(lower):
        return Reason.USER_UNKNOWN
    if phrases.NO_WAY_TO_DOMAIN.search(lower):
        return Reason.HOST_UNKNOWN
    if statement.code in _SENDER_CODES | _LOGIN_CODES or (
        not statement.code and _only_refuses(statement.enhanced, lower)
    ):
        return None
    if _any(_OVERRULED, lower) or (not statement.code and _says_little(lower)):
        return None
    outcome = classify(statement.phase, reply, recipient)
    if outcome.decision is Decision.BOUNCE:
        return _why_dead(reply, lower)
    if (statement.code and outcome.decision in {Decision.RETRY, Decision.THROTTLE}) or _any(_DOUBT, lower):
        return None
    return _dead_in_report(statement, recipient, lower)


def _dead_in_report(statement: Statement, recipient: str, lower: str) -> Reason | None:
    """Return why the address is dead by words that no rule of the classifier fits."""
    if _no_server_for(recipient, lower):
        return Reason.HOST_UNKNOWN
    found = next((reason for reason, words in _DEAD_IN_REPORTS if words.search(lower)), None)
    return found or (Reason.USER_UNKNOWN if _broadly(statement, lower) else None)


def _no_server_for(recipient: str, lower: str) -> bool:
    """Return whether no MX was found for the domain of the recipient. That of another domain says nothing about it."""
    domain = recipient.rpartition("@")[2].lower()
    return bool(domain) and any(each[1].strip(".") == domain for each in phrases.NO_MX_FOR.finditer(lower))


def _broadly(statement: Statement, lower: str) -> bool:
    """Return whether words that no phrase has say that there is no such address. Without a code they must name it."""
    lower = _IN_REPLY.sub("", lower)
    said_of_it = statement.code or "@" in lower
    if not said_of_it or grammar.NAMES_ELSE.search(lower) or _POLICY.search(lower):
        return False
    return bool(grammar.USER_UNKNOWN_BROADLY.search(lower))


def _says_little(lower: str) -> bool:
    """Return whether words without a code may be about something else.

    They may explain what can be wrong, or be the text of the failed email: "your account has been closed".
    """
    return bool(phrases.SUPPOSED.search(lower) or (phrases.DISABLED.search(lower) and "@" not in lower))


def _only_refuses(enhanced: str, lower: str) -> bool:
    """Return whether a report adds 5.2.1 to words that do not say "disabled": Exchange does for any refusal."""
    return enhanced == "5.2.1" and not phrases.DISABLED.search(lower)


def _any(patterns: tuple[re.Pattern[str], ...], text: str) -> bool:
    return any(each.search(text) for each in patterns)


def _why_dead(reply: Reply, lower: str) -> Reason:
    by_words = next((reason for reason, words in _DEAD_BY_WORDS if words.search(lower)), None)
    if by_words:
        return by_words
    if _any((said.USER_UNKNOWN, phrases.USER_UNKNOWN_IN_REPORT, phrases.USER_UNKNOWN_ABROAD), lower):
        return Reason.DISABLED if phrases.DISABLED.search(lower) else Reason.USER_UNKNOWN
    by_status = _DEAD_BY_STATUS.get(reply.enhanced or "")
    return by_status or (Reason.NULL_MX if reply.code == 556 else Reason.USER_UNKNOWN)


def _alive(lower: str, enhanced: str) -> Reason:
    """Return the reason of a failure that does not make the address dead."""
    for table, text in ((_BY_STATUS, enhanced), (_BY_WORDS, lower), (_VAGUE_STATUS, enhanced)):
        found = next((reason for reason, words in table if text and _fits(words, text, table)), None)
        if found:
            return found
    return Reason.REFUSED


def _fits(words: re.Pattern[str], text: str, table: object) -> bool:
    return bool(words.search(text) if table is _BY_WORDS else words.fullmatch(text))
