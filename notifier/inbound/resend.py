"""Resend: signed by Standard Webhooks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.feedback.events import FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, not_sent
from notifier.inbound.payload import MAX_ADDRESS, Object, inner, loaded, moment, objects, text, texts
from notifier.inbound.provider import Post, Received
from notifier.inbound.refusals import NotProven
from notifier.security.standard_webhooks import BadWebhook, verify

NAME = "resend"


class Resend:
    """Webhook of Resend."""

    max_bytes = 256 * 1024

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def receive(self, post: Post) -> Received:
        """Check the signature over id, timestamp and raw body, then read the event. Raise Refused."""
        try:
            message_id = verify(self._secrets, post.headers, post.body, post.received_at)
        except BadWebhook as error:
            raise NotProven(str(error)) from None
        found = (events(each, message_id, post.received_at) for each in objects(loaded(post.body)))
        return Received(tuple(event for each in found for event in each))


def events(payload: Object, message_id: str, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the event of a post for each of its recipients."""
    kind, data = text(payload.get("type")), inner(payload, "data")
    for recipient in texts(data.get("to"), MAX_ADDRESS):
        about = _about(payload, data, recipient, message_id, now)
        match kind:
            case "email.bounced":
                yield _bounce(about, inner(data, "bounce"))
            case "email.failed" | "email.suppressed":
                cause = inner(data, "failed") or inner(data, "suppressed")
                yield not_sent(about, text(cause.get("reason"), 500) or text(cause.get("message"), 500))
            case "email.delivery_delayed":
                yield delayed(about, "")
            case "email.delivered":
                yield delivered(about)
            case "email.complained":
                yield complaint(about)
            case _:
                pass


def _bounce(about: About, bounce: Object) -> FeedbackEvent:
    """Judge what the server said. The message of Resend itself explains in general, so it is only shown."""
    said = " ".join(texts(bounce.get("diagnosticCode"), 500))
    event = failure(about, said, soft=text(bounce.get("type")) != "Permanent")
    return event if said else replace(event, text=text(bounce.get("message"), 500))


def _about(payload: Object, data: Object, recipient: str, message_id: str, now: datetime) -> About:
    headers = [(text(each.get("name"), 100), text(each.get("value"), 1000)) for each in objects(data.get("headers"))]
    headers.append(("Message-ID", text(data.get("message_id"), 1000)))
    server_id = text(data.get("email_id"), 128)
    return About(
        NAME, digest(message_id, recipient), moment(payload.get("created_at"), now), recipient,
        claims_in_headers(headers), (server_id,) if server_id else (), is_signed=True,
    )  # fmt: skip
