"""What came back, in words for people: what it says, what followed from it, and how its email was found."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import select

from notifier.bounces.reasons import SENTENCES, Reason
from notifier.extensions import db
from notifier.feedback import tray
from notifier.feedback.series import LEAST
from notifier.mail import providers
from notifier.models import Effect, Feedback, Notification, Status, Suppression, SuppressionReason
from notifier.observability.by_provider import OTHER

#: Feedback of one email, and of one person, that a page shows.
MOST = 50

#: Number of waiting events at which counting stops: "999+".
ENOUGH = 1000

#: Names of sources. Others are shown as they are.
SOURCES: Mapping[str, str] = {
    "email": "email that came back", "ses": "Amazon SES", "postmark": "Postmark", "mailgun": "Mailgun",
    "sendgrid": "SendGrid", "brevo": "Brevo", "mailjet": "Mailjet", "resend": "Resend",
    "smtp": "the mail server's reply", "operator": "an operator", "recipient": "the recipient",
}  # fmt: skip

_KINDS = {"complaint": "Complaint", "delivered": "Delivered", "auto_reply": "Automatic reply", "other": "Other"}
_VERDICTS = {"hard": "Hard bounce", "soft": "Soft bounce", "none": "Delay"}

_EFFECTS = {
    Effect.suppressed: "The address was suppressed.",
    Effect.complained: "The address was suppressed, and all campaigns were turned off for this person.",
    Effect.known: "Nothing new: the address was suppressed already.",
    Effect.scored: f"It counts towards a series: {LEAST} such emails in a row suppress the address for a while.",
    Effect.counted: "It counts for the brake of the mailbox provider: it is about us, not about the recipient.",
    Effect.waiting: "Nothing yet: an operator has to assign it.",
    Effect.dropped: "Nothing: newer events took its place before an operator looked at it.",
    Effect.none: "Nothing.",
}

_MATCHES = {
    "verp": "by the return path, with a valid signature",
    "message_id": "by the Message-ID, with a valid signature",
    "notifier_id": "by X-Notifier-Id, with a valid signature",
    "server_id": "by the mail server's id, in an event that its source has signed",
    "operator": "by an operator",
}

#: Why an address is suppressed.
SUPPRESSED = {
    SuppressionReason.hard_bounce: "Hard bounce: the address does not exist",
    SuppressionReason.soft_bounces: f"Soft bounces: {LEAST} emails in a row came back",
    SuppressionReason.complaint: "Complaint: an email was reported as spam",
    SuppressionReason.manual: "An operator suppressed it",
    SuppressionReason.not_me: "“This wasn't me”: its owner did not sign up",
}


def what(row: Feedback) -> str:
    """Return what came: "Hard bounce", "Complaint"."""
    return _VERDICTS.get(row.verdict, "Bounce") if row.kind == "bounce" else _KINDS.get(row.kind, row.kind)


def meaning(row: Feedback) -> str:
    """Return what it says, as a sentence; empty if its reason is none that is known here."""
    return SENTENCES[Reason(row.reason)] if row.reason in set(Reason) else ""


def reply(row: Feedback | Suppression) -> str:
    """Return the remote server's reply on one line: code, enhanced code, text."""
    said = row.text if isinstance(row, Feedback) else row.reply
    # Servers repeat the enhanced code at the beginning of the text.
    enhanced = row.enhanced if row.enhanced and not (said or "").startswith(row.enhanced) else None
    return " ".join(str(part) for part in (row.code, enhanced, said) if part)


def followed(row: Feedback) -> str:
    """Return what followed from it, as a sentence."""
    return _EFFECTS[Effect(row.effect)]


def matched(row: Feedback) -> str:
    """Return how its email was found; empty if it was not."""
    return _MATCHES.get(row.matched_by, "")


def source(name: str) -> str:
    """Return the name of a source of events for people."""
    return SOURCES.get(name, name)


def provider(scope: str) -> str:
    """Return the name of a mailbox provider for people; of no known one, its domain."""
    return "Other domains" if scope == OTHER else providers.label_of(scope)


def suppressed(reason: str) -> str:
    """Return why an address is suppressed."""
    return SUPPRESSED[SuppressionReason(reason)] if reason in set(SuppressionReason) else reason


def result(row: Feedback) -> str:
    """Return why an email is bounced: "Bounced: the server knows no such mailbox (550 5.1.1)"."""
    if row.kind == "complaint":
        return meaning(row).removesuffix(".") or "The recipient reported the email as spam"
    sentence, codes = meaning(row).removesuffix("."), " ".join(str(each) for each in (row.code, row.enhanced) if each)
    # A sentence goes on after a colon, but an abbreviation such as SPF stays as it is.
    begin = sentence[:1] if sentence[1:2].isupper() else sentence[:1].lower()
    because = f": {begin}{sentence[1:]}" if sentence else ""
    return f"Bounced{because}{f' ({codes})' if codes else ''}"


def results(rows: Iterable[Notification]) -> dict[int, str]:
    """Return why emails of a list came back, by their keys. One query for the page."""
    keys = [row.id for row in rows if row.status in {Status.bounced, Status.complained}]
    if not keys:
        return {}
    acted = (Feedback.kind.in_(("bounce", "complaint")), Feedback.verdict.in_(("hard", "soft")) | _is_complaint())
    query = select(Feedback).where(Feedback.notification_id.in_(keys), *acted).order_by(Feedback.id)
    found: dict[int, str] = {}
    status = {row.id: row.status for row in rows}
    for row in db.session.scalars(query):
        pk = row.notification_id or 0
        if (row.kind == "complaint") is (status.get(pk) == Status.complained):
            found.setdefault(pk, result(row))
    return found


def of_email(pk: int) -> list[Feedback]:
    """Return what came back about an email, newest first."""
    return list(db.session.scalars(_newest().where(Feedback.notification_id == pk)))


def of_person(identity_key: str) -> list[Feedback]:
    """Return the bounces and complaints of an address, newest first."""
    mine = (Feedback.identity_key == identity_key, Feedback.kind.in_(("bounce", "complaint")))
    return list(db.session.scalars(_newest().where(*mine)))


def waiting() -> str:
    """Return how many events wait for an operator, as text; empty if none does."""
    number = tray.count(db.session(), limit=ENOUGH)
    return f"{ENOUGH - 1}+" if number >= ENOUGH else str(number or "")


def _newest() -> Any:
    return select(Feedback).order_by(Feedback.id.desc()).limit(MOST)


def _is_complaint() -> Any:
    return Feedback.kind == "complaint"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "what_came": what,
    "meaning": meaning,
    "reply": reply,
    "followed": followed,
    "matched": matched,
    "source_name": source,
    "provider_name": provider,
    "suppressed_because": suppressed,
}
