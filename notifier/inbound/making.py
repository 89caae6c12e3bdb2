"""Make feedback events of what a provider says. A provider's "permanent" is never enough to call an address dead.

Providers say it of blocks, full mailboxes and their own suppression lists, too: the server's reply decides.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from notifier.bounces import reasons
from notifier.bounces.names import Claim
from notifier.bounces.reading import judge_reply
from notifier.bounces.reasons import Reason, Verdict
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.smtp.outcome import MAX_TEXT

#: Reasons that say so little that the provider's own word may replace them.
_VAGUE = frozenset({Reason.REFUSED, Reason.UNSPECIFIED})


class About(NamedTuple):
    """What every event says: whose it is, and when it happened."""

    source: str
    event_id: str
    happened_at: datetime
    recipient: str = ""
    claims: tuple[Claim, ...] = ()
    server_ids: tuple[str, ...] = ()
    is_signed: bool = False


def failure(
    about: About, reply: str, status: str = "", *, soft: bool = False, otherwise: Reason = Reason.UNSPECIFIED
) -> FeedbackEvent:
    """Return a bounce, judged by the server's reply and its enhanced code.

    `soft`: the provider says that the address may be alive; a reply that says the opposite is not believed.
    `otherwise`: the provider's own word, for a reply that says nothing.
    """
    found = judge_reply(reply, status, about.recipient)
    reason = found.reason
    if reason in _VAGUE and otherwise is not Reason.UNSPECIFIED:
        reason = otherwise
    if reason in reasons.DEAD and soft:
        reason = Reason.REFUSED
    return FeedbackEvent(
        **about._asdict(), kind=EventKind.bounce, verdict=reasons.verdict_of(reason), reason=reason,
        code=found.code, enhanced=(found.enhanced or status)[:16] or None, text=(found.text or reply)[:MAX_TEXT],
    )  # fmt: skip


def not_sent(about: About, cause: str) -> FeedbackEvent:
    """Return that the provider itself refused to send, such as for its suppression list.

    No server said anything about the address or about us, so the cause is shown and not judged.
    """
    return FeedbackEvent(
        **about._asdict(), kind=EventKind.bounce, verdict=Verdict.SOFT, reason=Reason.REFUSED, text=cause[:MAX_TEXT]
    )


def delayed(about: About, reply: str) -> FeedbackEvent:
    """Return that the provider still tries."""
    return FeedbackEvent(
        **about._asdict(), kind=EventKind.bounce, verdict=Verdict.NONE, reason=Reason.DELAYED, text=reply[:MAX_TEXT]
    )


def complaint(about: About, reason: Reason = Reason.ABUSE, text: str = "") -> FeedbackEvent:
    """Return that the recipient reported the email, or asked the provider for no more."""
    return FeedbackEvent(**about._asdict(), kind=EventKind.complaint, reason=reason, text=text[:MAX_TEXT])


def delivered(about: About, reply: str = "") -> FeedbackEvent:
    """Return that the recipient's server took the email."""
    return FeedbackEvent(**about._asdict(), kind=EventKind.delivered, reason=Reason.DELIVERED, text=reply[:MAX_TEXT])


def other(about: About, kind: EventKind, reason: Reason | None = None, text: str = "") -> FeedbackEvent:
    """Return feedback on which nothing follows: automatic replies, reports that no one complained."""
    return FeedbackEvent(**about._asdict(), kind=kind, reason=reason, text=text[:MAX_TEXT])


def digest(*parts: str) -> str:
    """Return an event id of what makes an event unique. A digest, because an event id must not hold an address."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
