"""What providers post, in the form of their documentation. `claim` is the id of our email with its MAC."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from notifier.testing.clocks import NOON

Made = dict[str, Any]

DEAD = "550 5.1.1 The email account that you tried to reach does not exist"
FULL = "552 5.2.2 The mailbox is full"
BLOCKED = "550 5.7.1 Our system has detected that this message is likely unsolicited mail"


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def ses(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> Made:
    """An event of SES."""
    headers = [{"name": "From", "value": "hello@notifier.test"}, {"name": "X-Notifier-Id", "value": claim}]
    mail = {
        "timestamp": _iso(at), "source": "hello@notifier.test", "messageId": own or "0102018f-ses-000000",
        "destination": [to], "headersTruncated": False, "headers": headers if claim else headers[:1],
        "commonHeaders": {"from": ["hello@notifier.test"], "to": [to], "messageId": "0102018f-ses-000000"},
    }  # fmt: skip
    parts: Mapping[str, Any] = {
        "bounce": {
            "eventType": "Bounce",
            "bounce": {
                "feedbackId": "0102018f-bounce", "bounceType": "Permanent", "bounceSubType": "General",
                "bouncedRecipients": [
                    {"emailAddress": to, "action": "failed", "status": reply[4:9], "diagnosticCode": f"smtp; {reply}"}
                ],
                "timestamp": _iso(at), "reportingMTA": "dns; a7-12.smtp-out.eu-west-1.amazonses.com",
            },
        },
        "complaint": {
            "eventType": "Complaint",
            "complaint": {
                "feedbackId": "0102018f-complaint", "complaintSubType": None, "timestamp": _iso(at),
                "complainedRecipients": [{"emailAddress": to}], "complaintFeedbackType": "abuse",
            },
        },
        "delivered": {
            "eventType": "Delivery",
            "delivery": {
                "timestamp": _iso(at), "processingTimeMillis": 546, "recipients": [to], "smtpResponse": "250 2.6.0 OK",
                "reportingMTA": "a8-70.smtp-out.eu-west-1.amazonses.com",
            },
        },
        "delayed": {
            "eventType": "DeliveryDelay",
            "deliveryDelay": {
                "timestamp": _iso(at), "delayType": "TransientCommunicationFailure", "expirationTime": _iso(at),
                "delayedRecipients": [{"emailAddress": to, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 x"}],
            },
        },
        "unknown": {"eventType": "Open", "open": {"timestamp": _iso(at)}},
    }  # fmt: skip
    return {**parts[kind], "mail": mail}


def postmark(
    kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = ""
) -> dict[str, Any]:
    """An event of Postmark."""
    base = {
        "MessageID": own or "883953f4-6105-42a2-a16a-77a8eac79483", "MessageStream": "outbound", "ServerID": 23,
        "Tag": "", "Metadata": {"notifier-id": claim} if claim else {},
    }  # fmt: skip
    bounce = {
        "RecordType": "Bounce", "ID": 4323372036854775807, "Type": "HardBounce", "TypeCode": 1, "Email": to,
        "Name": "Hard bounce", "Description": "The server was unable to deliver your message (ex: unknown user).",
        "Details": f"smtp;{reply}", "From": "hello@notifier.test", "BouncedAt": _iso(at), "DumpAvailable": True,
        "Inactive": True, "CanActivate": True, "Subject": "Test", "Content": "",
    }  # fmt: skip
    parts: Mapping[str, Any] = {
        "bounce": bounce,
        "complaint": bounce | {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512, "Details": ""},
        "delivered": {"RecordType": "Delivery", "Recipient": to, "DeliveredAt": _iso(at), "Details": "250 2.0.0 OK"},
        "delayed": bounce | {"Type": "Transient", "TypeCode": 2, "Details": "smtp;421 4.4.1 try later"},
        "opt_out": {
            "RecordType": "SubscriptionChange", "Recipient": to, "ChangedAt": _iso(at), "Origin": "Recipient",
            "SuppressSending": True, "SuppressionReason": "ManualSuppression",
        },
        "unknown": {"RecordType": "Open", "FirstOpen": True, "Recipient": to},
    }  # fmt: skip
    return base | parts[kind]


def mailgun(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> Made:
    """An event of Mailgun, without its signature."""
    message_id = f"n{claim}@notifier.test" if claim else "20260115120000.1.ABC@mg.notifier.test"
    base = {
        "id": own or f"G9Bn5sl1TC6nu79C8C0bwg-{kind}", "timestamp": at.timestamp(), "recipient": to,
        "message": {"headers": {"to": to, "message-id": message_id, "from": "hello@notifier.test"}, "size": 111},
        "envelope": {"sender": "hello@notifier.test", "transport": "smtp", "targets": to}, "user-variables": {},
    }  # fmt: skip
    status = {"code": int(reply[:3]), "message": reply[4:], "enhanced-code": reply[4:9], "attempt-no": 1}
    parts: Mapping[str, Any] = {
        "bounce": {"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": status},
        "complaint": {"event": "complained"},
        "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
        "delayed": {"event": "failed", "severity": "temporary", "reason": "generic", "delivery-status": status},
        "opt_out": {"event": "unsubscribed"},
        "unknown": {"event": "opened"},
    }
    return base | parts[kind]


def sendgrid(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> list[Made]:
    """Events of SendGrid: one."""
    base = {
        "email": to, "timestamp": int(at.timestamp()), "sg_event_id": f"sg-{kind}-{own}-{at.timestamp()}",
        "sg_message_id": f"{own or '14c5d75ce93.dfd.64b469'}.filter0001.16648.5515E0B88.0", "category": "x",
        "smtp-id": f"<n{claim}@notifier.test>" if claim else "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    }  # fmt: skip
    parts: Mapping[str, Any] = {
        "bounce": {"event": "bounce", "reason": reply, "status": reply[4:9], "type": "bounce"},
        "complaint": {"event": "spamreport"},
        "delivered": {"event": "delivered", "response": "250 OK"},
        "delayed": {"event": "deferred", "response": "400 try again later", "attempt": "5"},
        "opt_out": {"event": "unsubscribe"},
        "unknown": {"event": "processed"},
    }
    return [base | parts[kind]]


def brevo(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> Made:
    """An event of Brevo."""
    base = {
        "id": 26224, "email": to, "date": at.strftime("%Y-%m-%d %H:%M:%S"), "ts_event": int(at.timestamp()),
        "ts_epoch": int(at.timestamp() * 1000), "message-id": own or "<201798300811.5787683@relay.domain.com>",
        "subject": "Test", "tags": ["x"], "sending_ip": "192.0.2.1", "template_id": 0,
    } | ({"X-Mailin-custom": claim} if claim else {})  # fmt: skip
    parts: Mapping[str, Any] = {
        "bounce": {"event": "hard_bounce", "reason": reply},
        "complaint": {"event": "spam"},
        "delivered": {"event": "delivered"},
        "delayed": {"event": "deferred", "reason": "421 4.4.1 try later"},
        "opt_out": {"event": "unsubscribed"},
        "unknown": {"event": "request"},
    }
    return base | parts[kind]


def mailjet(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> Made:
    """An event of Mailjet."""
    base = {
        "time": int(at.timestamp()), "MessageID": int(own) if own else 13792286917004336, "email": to,
        "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j", "mj_campaign_id": 0, "mj_contact_id": 1,
        "customcampaign": "", "CustomID": claim, "Payload": "",
    }  # fmt: skip
    bounce = {"event": "bounce", "blocked": False, "hard_bounce": True, "error_related_to": "recipient"}
    parts: Mapping[str, Any] = {
        "bounce": bounce | {"error": "user unknown", "comment": reply},
        "complaint": {"event": "spam", "source": "JMRPP"},
        "delivered": {"event": "sent", "smtp_reply": "sent (250 2.0.0 OK)"},
        "opt_out": {"event": "unsub", "mj_list_id": 1, "ip": "192.0.2.1"},
        "unknown": {"event": "open"},
    }
    return base | parts[kind]


def resend(kind: str, claim: str, to: str, *, reply: str = DEAD, at: datetime = NOON, own: str = "") -> Made:
    """An event of Resend."""
    headers = [{"name": "X-Notifier-Id", "value": claim}] if claim else []
    data = {
        "email_id": own or "56761188-7520-42d8-8898-ff6fc54ce618", "from": "Notifier <hello@notifier.test>", "to": [to],
        "created_at": _iso(at), "subject": "Test", "headers": headers, "tags": {"category": "x"},
    }  # fmt: skip
    parts: Mapping[str, tuple[str, dict[str, Any]]] = {
        "bounce": (
            "email.bounced",
            {"bounce": {"message": "The server refused it.", "type": "Permanent", "subType": "General",
                        "diagnosticCode": [f"smtp; {reply}"]}},
        ),
        "complaint": ("email.complained", {}),
        "delivered": ("email.delivered", {}),
        "delayed": ("email.delivery_delayed", {}),
        "unknown": ("email.opened", {}),
    }  # fmt: skip
    name, more = parts[kind]
    return {"type": name, "created_at": _iso(at), "data": data | more}


#: The maker of each provider's payloads.
PAYLOADS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each for each in (ses, postmark, mailgun, sendgrid, brevo, mailjet, resend)
}
#: Events that every provider has.
COMMON = ("bounce", "complaint", "delivered")

CLAIM = "17.abcdefghij234567"
TO = "ada@example.com"


def payload(name: str, kind: str, **parts: Any) -> Any:
    """The payload of this provider, about an email of ours unless `parts` say otherwise."""
    return PAYLOADS[name](kind, parts.pop("claim", CLAIM), parts.pop("to", TO), **parts)
