"""Amazon SES: events that it publishes to an SNS topic (event publishing, and the older notifications)."""

from collections.abc import Iterator
from datetime import datetime

from notifier.bounces.names import claims_in_headers
from notifier.bounces.reasons import Reason
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.inbound.making import About, complaint, delayed, delivered, digest, failure, other
from notifier.inbound.payload import MAX_ADDRESS, Object, inner, loaded, moment, objects, text, texts
from notifier.inbound.provider import Post, Received
from notifier.inbound.refusals import Unreadable
from notifier.inbound.sns import Sns

NAME = "ses"

_COMPLAINTS = {"fraud": Reason.FRAUD, "not-spam": Reason.NOT_SPAM, "auth-failure": Reason.AUTH_FAILURE}


class Ses:
    """Webhook of SES by SNS."""

    #: SNS messages have 256 KiB, and JSON within JSON doubles its quotation marks.
    max_bytes = 512 * 1024

    def __init__(self, sns: Sns) -> None:
        self._sns = sns

    def receive(self, post: Post) -> Received:
        """Check that AWS signed it for one of our topics; confirm a subscription, or read the events.

        Raise Refused.
        """
        message = loaded(post.body)
        if not isinstance(message, dict):
            raise Unreadable("SNS messages are objects")
        self._sns.check(message, post.received_at)
        if message["Type"] == "SubscriptionConfirmation":
            self._sns.confirm(message)
        if message["Type"] != "Notification":
            return Received()
        return Received(tuple(events(message["Message"], post.received_at)))


def events(message: str, now: datetime) -> Iterator[FeedbackEvent]:
    """Yield the events of one message of SES; none of what is no message of SES, such as the test of a new topic."""
    try:
        event = loaded(message)
    except Unreadable:
        return
    if not isinstance(event, dict):
        return
    match text(event.get("eventType") or event.get("notificationType")):
        case "Bounce":
            yield from _bounces(event, now)
        case "Complaint":
            yield from _complaints(event, now)
        case "Delivery":
            yield from _deliveries(event, now)
        case "DeliveryDelay":
            yield from _delays(event, now)
        case _:
            pass


def _deliveries(event: Object, now: datetime) -> Iterator[FeedbackEvent]:
    delivery = inner(event, "delivery")
    for recipient in texts(delivery.get("recipients"), MAX_ADDRESS):
        yield delivered(_about(event, delivery, recipient, now), text(delivery.get("smtpResponse"), 500))


def _delays(event: Object, now: datetime) -> Iterator[FeedbackEvent]:
    delay = inner(event, "deliveryDelay")
    for each in objects(delay.get("delayedRecipients")):
        about = _about(event, delay, text(each.get("emailAddress"), MAX_ADDRESS), now)
        yield delayed(about, text(each.get("diagnosticCode"), 500))


def _bounces(event: Object, now: datetime) -> Iterator[FeedbackEvent]:
    bounce = inner(event, "bounce")
    soft = text(bounce.get("bounceType")) != "Permanent"
    for each in objects(bounce.get("bouncedRecipients")):
        about = _about(event, bounce, text(each.get("emailAddress"), MAX_ADDRESS), now)
        reply = text(each.get("diagnosticCode"), 2000)
        yield failure(about, reply or text(bounce.get("bounceSubType")), text(each.get("status"), 16), soft=soft)


def _complaints(event: Object, now: datetime) -> Iterator[FeedbackEvent]:
    about = inner(event, "complaint")
    written = text(about.get("complaintFeedbackType"))
    reason = _COMPLAINTS.get(written, Reason.ABUSE)
    for each in objects(about.get("complainedRecipients")):
        whose = _about(event, about, text(each.get("emailAddress"), MAX_ADDRESS), now)
        if reason in {Reason.NOT_SPAM, Reason.AUTH_FAILURE}:
            yield other(whose, EventKind.other, reason)
        else:
            yield complaint(whose, reason, written)


def _about(event: Object, part: Object, recipient: str, now: datetime) -> About:
    """Return whose event it is. SES gives the headers of the email if the topic or the destination asks for them."""
    mail = inner(event, "mail")
    headers = [(text(each.get("name"), 100), text(each.get("value"), 1000)) for each in objects(mail.get("headers"))]
    headers.append(("Message-ID", text(inner(mail, "commonHeaders").get("messageId"), 1000)))
    headers.append(("Return-Path", text(mail.get("source"), 1000)))
    server_id = text(mail.get("messageId"), 128)
    kind = text(event.get("eventType") or event.get("notificationType"))
    unique = text(part.get("feedbackId")) or f"{server_id} {text(part.get('timestamp'))}"
    return About(
        NAME, digest(kind, unique, recipient), moment(part.get("timestamp"), now), recipient,
        claims_in_headers(headers), (server_id,) if server_id else (), is_signed=True,
    )  # fmt: skip
