"""Classify one reply or one failure in one phase as an Outcome. The tables are in `reply_rules.py`."""

import re
from functools import lru_cache

from notifier.mail import providers
from notifier.smtp.masking import masked, masked_widely
from notifier.smtp.outcome import Decision, Failure, Outcome, Phase, Reply, Scope, clean
from notifier.smtp.reply_rules import REFUSALS

#: First digit of the reply that lets a phase succeed (RFC 5321, section 4.2.1).
WANTED = {
    Phase.BANNER: 2,
    Phase.EHLO: 2,
    Phase.STARTTLS: 2,
    Phase.AUTH: 2,
    Phase.MAIL: 2,
    Phase.RCPT: 2,
    Phase.DATA: 3,
    Phase.EOD: 2,
}
_SESSION_FAILURE = (Decision.THROTTLE, Scope.TRANSPORT)
#: Failures by phase. The final dot is the border: before it nothing was delivered, after it delivery is uncertain.
_FAILURES: dict[Phase, tuple[Decision, Scope]] = {
    Phase.CONNECT: _SESSION_FAILURE,
    Phase.BANNER: _SESSION_FAILURE,
    Phase.EHLO: _SESSION_FAILURE,
    Phase.STARTTLS: _SESSION_FAILURE,
    Phase.AUTH: _SESSION_FAILURE,
    Phase.MAIL: _SESSION_FAILURE,
    Phase.RCPT: (Decision.RETRY, Scope.TRANSPORT),
    Phase.DATA: (Decision.RETRY, Scope.TRANSPORT),
    Phase.BODY: (Decision.RETRY, Scope.MESSAGE),
    Phase.EOD: (Decision.UNKNOWN, Scope.MESSAGE),
    Phase.QUIT: (Decision.ACCEPTED, Scope.MESSAGE),
}
_EXCEPTIONS: dict[tuple[Phase, Failure], tuple[Decision, Scope]] = {
    (Phase.CONNECT, Failure.TLS): (Decision.HOLD, Scope.TRANSPORT),
    (Phase.STARTTLS, Failure.TLS): (Decision.HOLD, Scope.TRANSPORT),
    (Phase.MAIL, Failure.GARBAGE): (Decision.RETRY, Scope.TRANSPORT),
}


def passes(phase: Phase, reply: Reply) -> bool:
    """Return whether the conversation continues after this reply."""
    return reply.code // 100 == WANTED[phase]


def classify(phase: Phase, reply: Reply, recipient: str = "") -> Outcome:
    """Return the outcome of an email to `recipient` (empty if there is no email yet) that got `reply` in `phase`.

    If the other digits of the code are unknown, its first digit decides (RFC 5321, section 4.3.2). Servers repeat the
    recipient's address. The person who signed up chose its words, so they must never lead to a decision that holds or
    slows other emails. Raise ValueError for a reply that decides nothing, such as 250 to RCPT.
    """
    if reply.code < 400:
        return _judge(phase, reply, "")
    known = phase in _KNOWS_RECIPIENT and providers.provider_of(providers.domain_of(recipient)) is not None
    text = reply.text.lower()
    outcome = _judge(phase, reply, masked(text, recipient), known=known)
    if not recipient or outcome.decision is Decision.BOUNCE:
        return outcome
    if outcome.decision not in _ABOUT_US:
        return _by_server_alone(phase, reply, recipient, outcome, known=known)
    # An enhanced code that occurs in the address may not be the server's.
    strange = reply.enhanced in _DOTTED.findall(recipient)
    rest = reply._replace(enhanced=None) if strange else reply
    if not strange and _judge(phase, rest, recipient.lower(), known=known).decision not in _ABOUT_US:
        return outcome  # the address alone would not lead to it: `user` and `mail` are the server's words
    wider = _judge(phase, rest, masked_widely(text, recipient), known=known)
    if wider.decision in _ABOUT_US:
        return wider
    # Either the address says so, or the server says it about us: penalise neither other emails nor this one.
    return _outcome(Decision.RETRY, Scope.RECIPIENT, phase, reply)


def _by_server_alone(phase: Phase, reply: Reply, recipient: str, outcome: Outcome, *, known: bool) -> Outcome:
    """Return an outcome that concerns this email alone, corrected for words that its own address contributed.

    Words of the address can turn a bounce into something milder, or any refusal into one of the content.
    """
    wider = _judge(phase, reply, masked_widely(reply.text.lower(), recipient), known=known)
    if wider.decision is Decision.BOUNCE:
        # A word such as `policy` overrides "no such user", and it may be the address's or the server's.
        return _outcome(Decision.RETRY, Scope.RECIPIENT, phase, reply)
    if outcome.scope is Scope.CONTENT and wider.decision not in _ABOUT_US:
        return wider
    return outcome


_DOTTED = re.compile(r"(?<!\d)\d++(?:\.\d++)++")
#: Decisions that also slow or stop other people's emails.
_ABOUT_US = {Decision.HOLD, Decision.THROTTLE}
#: Phases in which the server knows the recipient: before RCPT it cannot mean the recipient's provider.
_KNOWS_RECIPIENT = {Phase.RCPT, Phase.DATA, Phase.EOD}


@lru_cache(maxsize=1024)
def _judge(phase: Phase, reply: Reply, text: str, *, known: bool = False) -> Outcome:
    """Classify by `text`, the words of the reply. `known`: the recipient is at a known provider."""
    if phase is Phase.QUIT:
        return _outcome(Decision.ACCEPTED, Scope.MESSAGE, phase, reply)
    digit = reply.code // 100
    if phase is Phase.EOD and digit == 2:
        return _outcome(Decision.ACCEPTED, Scope.MESSAGE, phase, reply)
    rules = REFUSALS.get((phase, digit))
    if rules is None:
        return _out_of_place(phase, reply)
    # An enhanced code of another class contradicts its reply, and the reply decides.
    enhanced = reply.enhanced or ""
    enhanced = enhanced if enhanced.startswith(str(digit)) else ""
    rule = next(rule for rule in rules if rule.fits(reply.code, enhanced, text, known=known))
    return _outcome(rule.decision, rule.scope, phase, reply, rule.min_delay)


def classify_failure(phase: Phase, failure: Failure, detail: str = "") -> Outcome:
    """Return the outcome of an email whose conversation ended in `phase` without a reply."""
    decision, scope = _EXCEPTIONS.get((phase, failure), _FAILURES[phase])
    return Outcome(decision, phase, scope, text=clean(f"{failure}: {detail}" if detail else failure))


def _out_of_place(phase: Phase, reply: Reply) -> Outcome:
    """Return the outcome of a positive reply that this phase cannot have (RFC 5321, section 4.3.2)."""
    if phase in WANTED and passes(phase, reply):
        raise ValueError(f"{reply.code} in phase {phase} decides nothing")
    decision, scope = _EXCEPTIONS.get((phase, Failure.GARBAGE), _FAILURES[phase])
    return _outcome(decision, scope, phase, reply)


def _outcome(decision: Decision, scope: Scope, phase: Phase, reply: Reply, min_delay: float = 0) -> Outcome:
    return Outcome(decision, phase, scope, reply.code, reply.enhanced, reply.text, min_delay)
