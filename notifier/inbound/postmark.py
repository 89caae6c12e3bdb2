"""Postmark: no signature; a secret in the Authorization header. So only ids with a MAC of ours are believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, other
from notifier.inbound.payload import MAX_ADDRESS, Object, inner, loaded, moment, objects, text
from notifier.inbound.proofs import check_authorization
from notifier.inbound.provider import Post, Received

NAME = "postmark"
#: The name of the metadata that the header `X-PM-Metadata-notifier-id` sets.
CUSTOM = "notifier-id"

#: Types of bounces that are answers, not failures.
_ANSWERS = frozenset({"AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest", "Subscribe"})
#: Types in which Postmark says that the address may be alive.
_SOFT = frozenset({"SoftBounce", "DnsError", "SpamNotification", "Blocked", "VirusNotification", "DMARCPolicy"})
_BY_TYPE = {
    "SpamNotification": Reason.CONTENT, "VirusNotification": Reason.CONTENT, "DMARCPolicy": Reason.AUTHENTICATION,
    "Blocked": Reason.BLOCKED, "DnsError": Reason.UNREACHABLE,
}  # fmt: skip
#: How a subscription ends by the recipient's own wish.
_WISHES = {"ManualSuppression": Reason.OPT_OUT, "SpamComplaint": Reason.ABUSE}


class Postmark:
    """Webhook of Postmark."""

    max_bytes = 256 * 1024

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def receive(self, post: Post) -> Received:
        """Check the secret, then read the event. Raise Refused."""
        check_authorization(post.headers.get("authorization", ""), self._secrets)
        found = (events(each, post.received_at) for each in objects(loaded(post.body)))
        return Received(tuple(event for each in found for event in each))


def events(payload: Object, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the event of a post, if it says something."""
    match text(payload.get("RecordType")):
        case "Bounce":
            yield _bounce(payload, _about(payload, "Email", "BouncedAt", now))
        case "SpamComplaint":
            yield complaint(_about(payload, "Email", "BouncedAt", now))
        case "Delivery":
            yield delivered(_about(payload, "Recipient", "DeliveredAt", now), text(payload.get("Details"), 500))
        case "SubscriptionChange":
            reason = _WISHES.get(text(payload.get("SuppressionReason")))
            if payload.get("SuppressSending") is True and reason and text(payload.get("Origin")) == "Recipient":
                yield complaint(_about(payload, "Recipient", "ChangedAt", now), reason)
        case _:
            pass


def _bounce(payload: Object, about: About) -> FeedbackEvent:
    kind = text(payload.get("Type"))
    reply = text(payload.get("Details"), 2000) or text(payload.get("Description"), 2000)
    if kind == "SpamComplaint":
        return complaint(about)
    if kind == "Unsubscribe":
        return complaint(about, Reason.OPT_OUT)
    if kind in _ANSWERS:
        return other(about, EventKind.auto_reply, text=reply)
    if kind == "Transient":
        return delayed(about, reply)
    return failure(about, reply, soft=kind in _SOFT, otherwise=_BY_TYPE.get(kind, Reason.UNSPECIFIED))


def _about(payload: Object, recipient_name: str, moment_name: str, now: datetime) -> About:
    metadata = {name.lower(): value for name, value in inner(payload, "Metadata").items()}
    recipient, message_id = text(payload.get(recipient_name), MAX_ADDRESS), text(payload.get("MessageID"), 128)
    kind, written = text(payload.get("RecordType")), text(payload.get(moment_name), 40)
    own = text(payload.get("ID")) or f"{message_id} {written}"
    return About(
        NAME, digest(kind, own, recipient), moment(written, now), recipient,
        claims_in_headers([("X-Notifier-Id", text(metadata.get(CUSTOM), 100))]), (message_id,) if message_id else (),
    )  # fmt: skip
