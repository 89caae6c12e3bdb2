"""Mailjet: no signature; a secret in the Authorization header. So only ids with a MAC of ours are believed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import FeedbackEvent
from notifier.inbound.making import About, complaint, delivered, digest, failure, not_sent
from notifier.inbound.payload import MAX_ADDRESS, Object, loaded, moment, objects, text
from notifier.inbound.proofs import check_authorization
from notifier.inbound.provider import Post, Received

NAME = "mailjet"
#: The field that the header `X-MJ-CustomID` sets.
CUSTOM = "CustomID"

#: Mailjet's own words (`error`), which it gives in place of the server's reply.
_BY_ERROR = {
    "user unknown": Reason.USER_UNKNOWN, "invalid domain": Reason.HOST_UNKNOWN, "no mail host": Reason.UNREACHABLE,
    "mailbox inactive": Reason.SUSPENDED, "quota exceeded": Reason.MAILBOX_FULL,
    "relay/access denied": Reason.RELAY_DENIED, "sender blocked": Reason.BLOCKED, "content blocked": Reason.CONTENT,
    "spam content detected": Reason.CONTENT, "policy issue": Reason.POLICY, "protocol error": Reason.SERVER_FAULT,
    "system issue": Reason.SERVER_FAULT, "bounce - system issue": Reason.SERVER_FAULT, "greylisted": Reason.GREYLISTED,
    "throttled": Reason.RATE_LIMITED, "connection issue": Reason.UNREACHABLE, "mailjet": Reason.REFUSED,
}  # fmt: skip


class Mailjet:
    """Webhook of Mailjet."""

    #: Mailjet posts events in groups.
    max_bytes = 1024 * 1024

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def receive(self, post: Post) -> Received:
        """Check the secret, then read the events. Raise Refused."""
        check_authorization(post.headers.get("authorization", ""), self._secrets)
        return Received(tuple(events(loaded(post.body), post.received_at)))


def events(payload: object, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the events of a post."""
    for event in objects(payload):
        about = _about(event, now)
        match text(event.get("event")):
            case "bounce":
                reply = text(event.get("comment"), 2000)
                own = _BY_ERROR.get(text(event.get("error")).lower(), Reason.UNSPECIFIED)
                yield failure(about, reply, soft=event.get("hard_bounce") is not True, otherwise=own)
            case "blocked":
                yield not_sent(about, text(event.get("comment"), 500) or text(event.get("error")))
            case "sent":
                yield delivered(about, text(event.get("smtp_reply"), 500))
            case "spam":
                yield complaint(about, text=text(event.get("source")))
            case "unsub":
                yield complaint(about, Reason.OPT_OUT)
            case _:
                pass


def _about(event: Object, now: datetime) -> About:
    recipient, message_id = text(event.get("email"), MAX_ADDRESS), text(event.get("MessageID"), 128)
    unique = digest(text(event.get("event")), message_id, recipient, text(event.get("time"), 20))
    claims = claims_in_headers([("X-Notifier-Id", text(event.get(CUSTOM), 100))])
    ids = tuple(each for each in (message_id, text(event.get("Message_GUID"), 128)) if each)
    return About(NAME, unique, moment(event.get("time"), now), recipient, claims, ids)
