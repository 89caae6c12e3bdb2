"""Twilio SendGrid: the signed Event Webhook. One post holds many events."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, not_sent
from notifier.inbound.payload import MAX_ADDRESS, Object, loaded, moment, objects, text
from notifier.inbound.proofs import check_age, check_ecdsa
from notifier.inbound.provider import Post, Received

NAME = "sendgrid"
#: SendGrid proves when it signed, and leaves it to us to refuse what is old.
OLDEST_SECONDS = 300
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
#: The field of our own that `X-SMTPAPI` may set (unique_args).
CUSTOM = "notifier_id"

#: `sg_message_id` is the id of the reply to the final dot, and the names of SendGrid's own servers.
_SERVER_PART = re.compile(r"\.(?:filter|recvd|ismtpd|recv)[\w-]{0,80}\..*")


class SendGrid:
    """Webhook of SendGrid."""

    #: SendGrid posts up to 768 kB at once.
    max_bytes = 1024 * 1024

    def __init__(self, keys: Sequence[EllipticCurvePublicKey]) -> None:
        self._keys = keys

    def receive(self, post: Post) -> Received:
        """Check the signature over timestamp and raw body, then read the events. Raise Refused."""
        timestamp = post.headers.get(TIMESTAMP, "")
        check_age(timestamp, post.received_at, oldest=OLDEST_SECONDS)
        check_ecdsa(timestamp.encode() + post.body, post.headers.get(SIGNATURE, ""), self._keys)
        return Received(tuple(events(loaded(post.body), post.received_at)))


def events(payload: object, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the events of a post."""
    for event in objects(payload):
        about = _about(event, now)
        reply = text(event.get("reason"), 2000) or text(event.get("response"), 2000)
        match text(event.get("event")):
            case "bounce":
                # "blocked" is SendGrid's word for everything that is not about the address.
                yield failure(about, reply, text(event.get("status"), 16), soft=event.get("type") == "blocked")
            case "dropped":
                yield not_sent(about, reply)
            case "deferred":
                yield delayed(about, reply)
            case "delivered":
                yield delivered(about, reply)
            case "spamreport":
                yield complaint(about)
            case "unsubscribe" | "group_unsubscribe":
                yield complaint(about, Reason.OPT_OUT)
            case _:
                pass


def _about(event: Object, now: datetime) -> About:
    recipient, message_id = text(event.get("email"), MAX_ADDRESS), text(event.get("sg_message_id"))
    headers = [
        ("X-Notifier-Id", text(event.get(CUSTOM), 100)),
        ("Message-ID", text(event.get("smtp-id"), 1000)),
    ]
    server_id = _SERVER_PART.sub("", message_id)[:128]
    own = text(event.get("sg_event_id"))
    unique = own or digest(
        text(event.get("event")), message_id, recipient, text(event.get("timestamp")), text(event.get("attempt"))
    )
    return About(
        NAME, unique, moment(event.get("timestamp"), now), recipient, claims_in_headers(headers),
        (server_id,) if server_id else (), is_signed=True,
    )  # fmt: skip
