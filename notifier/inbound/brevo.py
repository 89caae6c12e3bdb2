"""Brevo: no signature; a secret in the Authorization header. So only ids with a MAC of ours are believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, not_sent
from notifier.inbound.payload import MAX_ADDRESS, Object, loaded, moment, objects, text
from notifier.inbound.proofs import check_authorization
from notifier.inbound.provider import Post, Received

NAME = "brevo"
#: The header of ours that Brevo repeats, under the same name.
CUSTOM = "X-Mailin-custom"


class Brevo:
    """Webhook of Brevo."""

    #: Brevo can post events in batches.
    max_bytes = 1024 * 1024

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def receive(self, post: Post) -> Received:
        """Check the secret, then read the events. Raise Refused."""
        check_authorization(post.headers.get("authorization", ""), self._secrets)
        return Received(tuple(events(loaded(post.body), post.received_at)))


def events(payload: object, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the events of a post."""
    for each in objects(payload):
        if (event := _event(each, _about(each, now))) is not None:
            yield event


def _event(event: Object, about: About) -> FeedbackEvent | None:
    reply = text(event.get("reason"), 2000)
    match text(event.get("event")):
        case "hard_bounce":
            return failure(about, reply)
        case "soft_bounce":
            return failure(about, reply, soft=True)
        case "blocked" | "invalid_email" | "error":
            return not_sent(about, reply)
        case "deferred":
            return delayed(about, reply)
        case "delivered":
            return delivered(about, reply)
        case "spam" | "complaint":
            return complaint(about)
        case "unsubscribed":
            return complaint(about, Reason.OPT_OUT)
        case _:
            return None


def _about(event: Object, now: datetime) -> About:
    recipient, message_id = text(event.get("email"), MAX_ADDRESS), text(event.get("message-id"), 1000)
    # `date` has no zone: it is in that of the account.
    happened = next((event[name] for name in ("ts_epoch", "ts_event", "ts") if text(event.get(name), 20)), None)
    headers = [("X-Notifier-Id", text(event.get(CUSTOM), 100)), ("Message-ID", message_id)]
    unique = digest(text(event.get("event")), message_id, recipient, text(happened, 20))
    server_id = message_id.strip("<>")[:128]
    return About(
        NAME, unique, moment(happened, now), recipient, claims_in_headers(headers), (server_id,) if server_id else ()
    )
