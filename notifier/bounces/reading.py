"""Read one email that came back. The order: what it is, what it says, whose it is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain, islice

from notifier.bounces import kinds, names, phrases
from notifier.bounces.fields import (
    DeliveryStatus,
    Recipient,
    delivery_status,
    disposition,
    feedback,
    statements_of,
    untyped,
)
from notifier.bounces.judging import DEAD_BY_STATUS_ALONE, judge
from notifier.bounces.parts import Email, split
from notifier.bounces.reasons import ABOUT_MAILBOX, ABOUT_US, DEAD, Kind, Reason, Verdict, verdict_of
from notifier.bounces.sender import NO_SENDER, Sender, sender_of, without
from notifier.bounces.texts import (
    MAX_STATEMENTS,
    Statement,
    by_entry,
    pieces,
    plain_statement,
    readable,
    split_returned,
    statements,
)

#: Characters of a reply that are read.
MAX_REPLY = 2000

#: Types of feedback (RFC 5965, section 7.3, and its registry). Only the first three are complaints.
_FEEDBACK = {
    "abuse": Reason.ABUSE,
    "fraud": Reason.FRAUD,
    "opt-out": Reason.OPT_OUT,
    "opt-out-list": Reason.OPT_OUT,
    "not-spam": Reason.NOT_SPAM,
    "auth-failure": Reason.AUTH_FAILURE,
}
_COMPLAINTS = frozenset({Reason.ABUSE, Reason.FRAUD, Reason.OPT_OUT})
#: What says nothing more than that the email failed.
_VAGUE = frozenset({Reason.REFUSED, Reason.UNSPECIFIED})


@dataclass(frozen=True, slots=True)
class Finding:
    """What was said about one recipient, or about the email as a whole."""

    reason: Reason
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    recipient: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return what it means for the address."""
        return verdict_of(self.reason)


@dataclass(frozen=True, slots=True)
class Report:
    """What an email says. Nothing in it is proven: see `names.py`."""

    kind: Kind
    verdict: Verdict = Verdict.NONE
    reason: Reason | None = None
    #: The reply that decided; None if none did.
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    recipients: tuple[str, ...] = ()
    #: One finding for each recipient of a delivery status; the verdict is that of the mildest which failed.
    findings: tuple[Finding, ...] = ()
    claims: tuple[names.Claim, ...] = ()
    queue_ids: tuple[str, ...] = ()
    reporting_mta: str = ""

    @property
    def notification(self) -> str | None:
        """Return the email of ours that it names, as `ID.MAC`; None if it names none, or more than one."""
        return names.notification(self.claims)

    @property
    def about_us(self) -> bool:
        """Return whether it concerns the sender or the content, so that it says nothing about the recipient."""
        return self.reason in ABOUT_US


def read(data: bytes, envelope_to: str = "") -> Report:
    """Return what an email says that came back to `envelope_to` (its envelope's recipient, if known).

    It takes any bytes, looks at parts.MAX_BYTES of them at most, and never raises.
    """
    email = _unwrapped(split(data))
    words, returned = split_returned(readable(email))
    status = delivery_status(email)
    sender = sender_of(email, status, returned)
    found = _report(email, status, words, sender, answered=bool(returned))
    claims = names.claims(email, envelope_to, returned)
    if found.kind is Kind.OTHER:
        return Report(found.kind, reason=found.reason, claims=claims)
    if found.kind is Kind.COMPLAINT:
        return Report(found.kind, reason=found.reason, recipients=found.recipients, claims=claims)
    return Report(
        found.kind, found.verdict, found.reason, found.code, found.enhanced, found.text,
        found.recipients or names.recipients(email, status, words, sender.addresses), found.findings, claims,
        names.queue_ids(status, words), status.reporting_mta if status else "",
    )  # fmt: skip


def _unwrapped(email: Email) -> Email:
    """Return the report that a gateway passed on as an attachment, else the email itself."""
    first = next((part for part in email.parts if part.body.strip()), None)
    if first is None or first.media_type != "message/rfc822" or not kinds.is_daemon(email.headers):
        return email
    inner = split(first.body)
    return inner if inner.report_type == "delivery-status" else email


def _report(email: Email, status: DeliveryStatus | None, words: str, sender: Sender, *, answered: bool) -> Report:
    """Return kind, verdict and reason."""
    if (fields := feedback(email)) is not None:
        return _feedback(fields.every("feedback-type"), fields.every("original-rcpt-to"))
    if kinds.is_complaint_without_fields(email):
        return Report(Kind.COMPLAINT, reason=Reason.ABUSE)
    if kinds.is_aggregate(email):
        return Report(Kind.OTHER)
    if kinds.is_challenge(email, words):
        return Report(Kind.AUTO_REPLY)
    if status and status.recipients:
        return _by_fields(email, status, words, sender)
    return _without_fields(email, words, sender, answered=answered)


def _without_fields(email: Email, words: str, sender: Sender, *, answered: bool) -> Report:
    """Return kind, verdict and reason of an email that has no fields for machines about a delivery."""
    if disposition(email) is not None and not phrases.FAILED.search(words.lower()):
        return Report(Kind.OTHER)
    if kinds.is_absence(email, words):
        return Report(Kind.AUTO_REPLY)
    if kinds.is_report_of_failure(email, words, answered):
        return _by_words(email, words, sender)
    if kinds.is_named_daemon(email.headers):
        # Some systems say why, and not that the email failed.
        notice = _by_words(email, words, sender)
        if notice.reason is not Reason.UNSPECIFIED and notice.recipients:
            return notice
    return Report(Kind.AUTO_REPLY if kinds.is_auto_reply(email, words) else Kind.OTHER)


def _feedback(written: list[str], recipients: list[str]) -> Report:
    """Judge a feedback report. Its type stands in it once (RFC 5965, section 3.1): two types are no complaint."""
    types = {each.partition("(")[0].strip(" \t;").lower() for each in written}
    reason = _FEEDBACK.get(types.pop(), Reason.FEEDBACK) if len(types) == 1 else Reason.FEEDBACK
    kind = Kind.COMPLAINT if reason in _COMPLAINTS else Kind.OTHER
    return Report(kind, reason=reason, recipients=tuple(each.strip().strip("<>")[:320] for each in recipients))


def _by_fields(email: Email, status: DeliveryStatus, words: str, sender: Sender) -> Report:
    """Judge a report with fields, one recipient after the other."""
    among = len({(each.address or each.original).lower() for each in status.recipients})
    findings = tuple(
        _not_failed(email, each, words) or _failed(each, words if among == 1 else "", sender)
        for each in status.recipients
    )
    failed = [each for each in findings if each.verdict is not Verdict.NONE]
    late = [each for each in findings if each.reason is Reason.DELAYED]
    chosen = failed or late
    if not chosen:
        return Report(Kind.OTHER, reason=Reason.DELIVERED, findings=findings)
    mildest = next((each for each in chosen if each.verdict is not Verdict.HARD), chosen[0])
    addresses = tuple(dict.fromkeys(each.recipient for each in chosen if each.recipient))
    return Report(
        Kind.BOUNCE, mildest.verdict, mildest.reason, mildest.code, mildest.enhanced, mildest.text, addresses, findings
    )


def _not_failed(email: Email, recipient: Recipient, words: str) -> Finding | None:
    """Return that a recipient got the email, or gets it later; None if the email failed."""
    address = recipient.address or recipient.original
    if recipient.action in {"delivered", "relayed", "expanded"} or (
        not recipient.action and recipient.status.startswith("2")
    ):
        return Finding(Reason.DELIVERED, enhanced=recipient.status or None, recipient=address)
    if recipient.action.startswith("delay") or (not recipient.action and _is_late(email, words)):
        return Finding(Reason.DELAYED, enhanced=recipient.status or None, recipient=address)
    return None


def _failed(recipient: Recipient, words: str, sender: Sender) -> Finding:
    """Judge one recipient that failed. `words`: those of the report, if they can be about this recipient alone."""
    found = _failure(recipient, statements(words), sender)
    if found.reason is Reason.UNSPECIFIED and untyped(recipient.diagnostic).strip(" #;") in {"", recipient.status}:
        # There is no reply that a gateway could have translated: the system that reports chose the status itself.
        return replace(found, reason=DEAD_BY_STATUS_ALONE.get(recipient.status, found.reason))
    return found


def judge_reply(reply: str, status: str = "", recipient: str = "") -> Finding:
    """Return what a report says that names one failure: a server's reply as text, and its enhanced code if known.

    `recipient` may be empty; it is the address that failed. Webhooks of providers report failures like this.
    """
    return _failure(Recipient(recipient, "", "failed", status, "", reply[:MAX_REPLY], ""), (), NO_SENDER)


def _failure(recipient: Recipient, words: Iterable[Statement], sender: Sender) -> Finding:
    """Judge one recipient that failed, by its fields, then by other words about it."""
    address = recipient.address or recipient.original
    found = _first(chain(statements_of(recipient), words), address, sender)
    if found.reason in DEAD and _says_later(recipient):
        # The report contradicts itself: a code for "later" and words for "never".
        found = Finding(Reason.REFUSED, found.code, found.enhanced, found.text)
    if found.reason in _VAGUE and recipient.status:
        found = _by_status(found, recipient)
    enhanced = found.enhanced or recipient.status or None
    return Finding(found.reason, found.code, enhanced, found.text, address)


def _says_later(recipient: Recipient) -> bool:
    """Return whether a status is one of class 4. 4.0.0 beside "failed" says nothing (RFC 3463, section 3.1)."""
    nothing = recipient.status == "4.0.0" and recipient.action.startswith("fail")
    return recipient.status.startswith("4") and not nothing


def _by_status(found: Finding, recipient: Recipient) -> Finding:
    """Return the reason by the status alone: it is never hard, because many systems send 5.1.1 for everything."""
    reason = judge(Statement("", 450, recipient.status))
    return Finding(reason if reason is not Reason.REFUSED else found.reason, found.code, found.enhanced, found.text)


def _by_words(email: Email, words: str, sender: Sender) -> Report:
    """Judge a report without fields."""
    named = names.recipients(email, None, words, sender.addresses)
    sender = without(sender, named)
    if _is_late(email, words):
        return Report(Kind.BOUNCE, Verdict.NONE, Reason.DELAYED, recipients=named)
    said: Iterable[Statement] = statements(words)
    subject = email.headers.first("subject")[:300]
    if phrases.CAUSE_IN_SUBJECT.search(subject.lower()):
        said = chain(said, (plain_statement(subject),))
    found = _first(said, named[0] if len(named) == 1 else "", sender)
    if found.reason in DEAD and len(named) > 1:
        # Some of these people may be alive: all that was said must say the same.
        entries = list(by_entry(list(pieces(words))))
        others = [judge(each, "", sender) for each in entries if each.code] or [
            judge(each, "", sender) for each in entries
        ]
        found = next((Finding(each) for each in others if each not in DEAD | _VAGUE | {Reason.DELIVERED}), found)
    return Report(Kind.BOUNCE, found.verdict, found.reason, found.code, found.enhanced, found.text, named)


def _is_late(email: Email, words: str) -> bool:
    """Return whether a report says that a system still tries."""
    text = f"{email.headers.first('subject')}\n{words[:4000]}".lower()
    return bool(phrases.DELAYED.search(text)) and not phrases.FOR_GOOD.search(text)


def _first(said: Iterable[Statement], recipient: str, sender: Sender) -> Finding:
    """Return the first statement that gives a cause; else the first that is a reply; else that nothing is known.

    A fault of a server gives way to the cause of it in the mailbox: it could not write, because that is full.
    """
    vague: Finding | None = None
    fault: Finding | None = None
    for each in islice(said, MAX_STATEMENTS * 3):
        reason = judge(each, recipient, sender)
        if reason is Reason.DELIVERED:
            continue
        found = Finding(reason, each.code or None, each.enhanced or None, each.text)
        if reason not in _VAGUE and (fault is None or reason in ABOUT_MAILBOX):
            if reason is not Reason.SERVER_FAULT:
                return found
            fault = found
        elif vague is None and each.code:
            vague = found
    return fault or vague or Finding(Reason.UNSPECIFIED)
