"""FeedbackEvent: the one form of everything that comes back, from any source."""

import enum
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.bounces.names import Claim
from notifier.bounces.parts import MAX_BYTES
from notifier.bounces.reading import Report
from notifier.bounces.reasons import ABOUT_US, Kind, Reason, Verdict
from notifier.models import Feedback

#: The source of emails that came back, from any mailbox.
EMAIL = "email"

#: How much too early the clock of a source may be.
_WRONG_CLOCK = timedelta(days=1)

#: What mail servers put before an email when they hand it on: Return-Path and Received (RFC 5321, section 4.4),
#: Delivered-To (RFC 9228), and those of Postfix and Exim. A server that tries again may write other ones.
_TRACE = re.compile(
    rb"(?:(?:return-path|received|delivered-to|x-original-to|envelope-to|delivery-date)[ \t]*:[^\n]*\n"
    rb"(?:[ \t][^\n]*\n)*)+",
    re.IGNORECASE,
)


class EventKind(enum.StrEnum):
    """What came back."""

    bounce = "bounce"
    complaint = "complaint"
    delivered = "delivered"
    auto_reply = "auto_reply"
    other = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackEvent:
    """One event about one email of ours, as its source tells it."""

    #: `email`, or the name of a provider: 1 to 16 characters.
    source: str
    #: The same for every copy of this event, and for no other event of the source: 1 to 255 characters.
    event_id: str
    kind: EventKind
    #: When it happened, as the source says; the moment of its arrival if it does not say.
    happened_at: datetime
    verdict: Verdict = Verdict.NONE
    reason: Reason | None = None
    #: The remote server's reply: its code, its enhanced code (RFC 3463), and its text.
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    #: The address that it is about, if it names one.
    recipient: str = ""
    #: The ids of ours that it names. Nothing is proven by them before their MAC is checked.
    claims: Sequence[Claim] = ()
    #: Ids that a mail server or a provider gave the email.
    server_ids: Sequence[str] = ()
    #: Whether the source has proven that all of this is its own word, such as by a signature over it.
    is_signed: bool = False

    @property
    def is_about_us(self) -> bool:
        """Return whether it concerns the sender or the content, so that it says nothing about the recipient."""
        return self.kind is EventKind.bounce and self.reason in ABOUT_US

    @property
    def acts(self) -> bool:
        """Return whether something follows from it if its email is proven."""
        failed = self.kind is EventKind.bounce and self.verdict is not Verdict.NONE
        return failed or self.kind is EventKind.complaint


def of_email(data: bytes, report: Report, *, envelope_to: str, received_at: datetime) -> FeedbackEvent:
    """Return the event that an email says, which came back to `envelope_to` (may be empty).

    When it happened is not read from it: its Date is not proven, and a wrong one could keep it from having an effect.
    """
    return FeedbackEvent(
        source=EMAIL,
        event_id=digest(data, envelope_to),
        kind=_kind(report),
        happened_at=received_at,
        verdict=report.verdict if report.kind is Kind.BOUNCE else Verdict.NONE,
        reason=report.reason,
        code=report.code,
        enhanced=report.enhanced,
        text=report.text,
        recipient=report.recipients[0] if report.recipients else "",
        claims=report.claims,
        server_ids=report.queue_ids,
    )


def believed(event: FeedbackEvent, now: datetime, created_at: datetime | None) -> FeedbackEvent:
    """Return the event with a time that can be true: after its email was made at `created_at`, and not after `now`.

    A provider whose clock is a little wrong must not lose a bounce, so a time less than a day too early is that of the
    email. An earlier one says nothing: then the event happened when it arrived.
    """
    at = min(event.happened_at, now)
    if created_at is not None and at < created_at:
        at = now if at < created_at - _WRONG_CLOCK else min(created_at, now)
    return event if at == event.happened_at else replace(event, happened_at=at)


def of_row(row: Feedback) -> FeedbackEvent:
    """Return the event that a row stores, without the ids that it named."""
    return FeedbackEvent(
        source=row.source,
        event_id=row.event_id,
        kind=EventKind(row.kind),
        happened_at=row.happened_at,
        verdict=Verdict(row.verdict),
        reason=None if row.reason is None else Reason(row.reason),
        code=row.code,
        enhanced=row.enhanced,
        text=row.text or "",
    )


def digest(data: bytes, envelope_to: str) -> str:
    """Return what tells one email from another: the same in an mbox, in a Maildir, in a pipe and by LMTP.

    A line `From ` of an mbox, the form of line ends, empty lines at the end, and what mail servers put before the
    email (`Received`) do not count.
    """
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    content = data.replace(b"\r\n", b"\n")
    trace = _TRACE.match(content)
    content = content[trace.end() if trace else 0 :][:MAX_BYTES].rstrip()
    return hashlib.sha256(envelope_to.lower().encode() + b"\0" + content).hexdigest()


def _kind(report: Report) -> EventKind:
    if report.reason is Reason.DELIVERED:
        return EventKind.delivered
    return EventKind(report.kind.value)
