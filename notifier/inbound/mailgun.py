"""Mailgun: its HMAC covers a timestamp and a token, and not the event. So only ids with a MAC of ours are believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, not_sent
from notifier.inbound.payload import MAX_ADDRESS, Object, inner, loaded, moment, number, text
from notifier.inbound.proofs import check_age, check_mailgun
from notifier.inbound.provider import Post, Received
from notifier.inbound.refusals import Unreadable

NAME = "mailgun"
#: Mailgun tries again after 10, then 15 minutes. Tokens are kept for longer, so none works twice.
OLDEST_SECONDS = 30 * 60
#: The variable of our own that `X-Mailgun-Variables` may set.
CUSTOM = "notifier-id"


class Mailgun:
    """Webhook of Mailgun."""

    max_bytes = 256 * 1024

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys

    def receive(self, post: Post) -> Received:
        """Check the signature, then read the event. The proof is in the body. Raise Refused."""
        payload = loaded(post.body)
        if not isinstance(payload, dict):
            raise Unreadable("Mailgun posts an object")
        proof = inner(payload, "signature")
        timestamp, token = text(proof.get("timestamp"), 20), text(proof.get("token"), 100)
        check_mailgun(timestamp, token, text(proof.get("signature"), 100), self._keys)
        check_age(timestamp, post.received_at, oldest=OLDEST_SECONDS)
        return Received(tuple(events(inner(payload, "event-data"), post.received_at)), digest(NAME, token))


def events(event: Object, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the event, if it is one that says something."""
    about = _about(event, now)
    match text(event.get("event")):
        case "failed":
            yield _failure(event, about)
        case "delivered":
            yield delivered(about, _reply(event))
        case "complained":
            yield complaint(about)
        case "unsubscribed":
            yield complaint(about, Reason.OPT_OUT)
        case _:
            pass


def _failure(event: Object, about: About) -> FeedbackEvent:
    if text(event.get("severity")) == "temporary":
        return delayed(about, _reply(event))
    if text(event.get("reason")).startswith("suppress-"):
        return not_sent(about, _reply(event))
    return failure(about, _reply(event), text(inner(event, "delivery-status").get("enhanced-code"), 16))


def _reply(event: Object) -> str:
    """Return what the server said, with its code before it if the text has none."""
    status = inner(event, "delivery-status")
    said = text(status.get("message"), 2000) or text(status.get("description"), 2000)
    code = number(status.get("code"))
    if code is None or not 400 <= code < 600 or said.startswith(str(code)):
        return said
    return f"{code} {said}"


def _about(event: Object, now: datetime) -> About:
    recipient = text(event.get("recipient"), MAX_ADDRESS)
    message_id = text(inner(event, "message", "headers").get("message-id"), 1000)
    headers = [
        ("X-Notifier-Id", text(inner(event, "user-variables").get(CUSTOM), 100)),
        ("Message-ID", message_id),
        ("Return-Path", text(inner(event, "envelope").get("sender"), 1000)),
    ]
    kind, own = text(event.get("event")), text(event.get("id"))
    unique = digest(kind, own or f"{message_id} {text(event.get('timestamp'))}", recipient)
    return About(NAME, unique, moment(event.get("timestamp"), now), recipient, claims_in_headers(headers))
