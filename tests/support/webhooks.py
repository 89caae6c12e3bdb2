"""Posts of seven providers, as their documentation shows them, with real proofs. The keys are made here."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from notifier.feedback.events import FeedbackEvent
from notifier.inbound.provider import Post, Provider
from notifier.security import standard_webhooks
from notifier.testing.clocks import NOON

PROVIDERS = ("ses", "postmark", "mailgun", "sendgrid", "brevo", "mailjet", "resend")

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
SUBSCRIBE_URL = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
SECRET = "a-webhook-secret-of-our-own-making"
MAILGUN_KEY = "0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(b"thirty-two bytes of a test's key").decode()

_numbers = count(1)


@cache
def ec_key(number: int = 1) -> ec.EllipticCurvePrivateKey:
    """A key of SendGrid."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(number: int = 1) -> rsa.RSAPrivateKey:
    """A key of AWS."""
    return rsa.generate_private_key(65537, 2048)


def public_text(number: int = 1) -> str:
    """The verification key as SendGrid shows it."""
    raw = ec_key(number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(raw).decode()


@cache
def certificate(number: int = 1, begin: datetime = NOON - timedelta(days=30), days: int = 300) -> bytes:
    """The certificate of AWS, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(number).public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )
    return made.sign(rsa_key(number), SHA256()).public_bytes(Encoding.PEM)


def settings() -> dict[str, Any]:
    """Settings with which all providers are open."""
    return {
        "inbound_ses_topics": [TOPIC], "inbound_postmark_secrets": [SECRET], "inbound_mailgun_keys": [MAILGUN_KEY],
        "inbound_sendgrid_keys": [public_text()], "inbound_brevo_secrets": [SECRET],
        "inbound_mailjet_secrets": [SECRET], "inbound_resend_secrets": [WHSEC],
    }  # fmt: skip


@dataclass
class Aws:
    """The web server of AWS: what it was asked for, and what it answers."""

    body: bytes | Exception = b""

    def __post_init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        """Answer."""
        self.asked.append(url)
        answer = self.body or certificate()
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True)
class Signed:
    """A request of a provider."""

    provider: str
    headers: Mapping[str, str]
    body: bytes

    def at(self, now: datetime = NOON) -> Post:
        """The request as the door gives it to the provider."""
        return Post({name.lower(): value for name, value in self.headers.items()}, self.body, now)

    def with_headers(self, **headers: str | None) -> "Signed":
        """The same with other headers; None removes one."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name not in named}
        return replace(self, headers=kept | {name: value for name, value in named.items() if value is not None})

    def with_body(self, change: Callable[[bytes], bytes]) -> "Signed":
        """The same with another body."""
        return replace(self, body=change(self.body))


def basic(secret: str = SECRET, user: str = "notifier") -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def signed(provider: str, payload: Any, *, now: datetime = NOON, number: int = 1, **parts: Any) -> Signed:
    """What this provider posts for the payload of its documentation.

    `number`: of the key; `parts`: changes of the proof.
    """
    body = json.dumps(payload).encode()
    json_type = {"Content-Type": "application/json"}
    if provider == "ses":
        return Signed(
            provider, {"Content-Type": "text/plain; charset=UTF-8"}, sns(payload, now=now, number=number, **parts)
        )
    if provider == "mailgun":
        return Signed(provider, json_type, _mailgun(payload, now, **parts))
    if provider == "sendgrid":
        stamp = str(int(now.timestamp()))
        signature = base64.b64encode(ec_key(number).sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        names = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
        return Signed(provider, json_type | dict(zip(names, (signature, stamp), strict=True)), body)
    if provider == "resend":
        stamp, own = int(now.timestamp()), parts.get("id", f"msg_{next(_numbers)}")
        signature = standard_webhooks.sign(parts.get("secret", WHSEC), own, stamp, body)
        proof = {"svix-id": own, "svix-timestamp": str(stamp), "svix-signature": signature}
        return Signed(provider, json_type | proof, body)
    return Signed(provider, json_type | {"Authorization": basic(**parts)}, body)


def _mailgun(event: Any, now: datetime, key: str = MAILGUN_KEY, token: str | None = None) -> bytes:
    stamp, token = str(int(now.timestamp())), token or f"{next(_numbers):050x}"
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    proof = {"timestamp": stamp, "token": token, "signature": signature}
    return json.dumps({"signature": proof, "event-data": event}).encode()


def sns(event: Any, *, now: datetime = NOON, number: int = 1, **fields: str | None) -> bytes:
    """A message of SNS. `fields` replace its own before it is signed; None removes one."""
    message: dict[str, str | None] = {
        "Type": "Notification", "MessageId": f"22b80b92-fdea-4c2c-8f9d-{next(_numbers):012x}", "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification", "Message": json.dumps(event),
        "Timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
    }  # fmt: skip
    kept = {name: value for name, value in (message | fields).items() if value is not None}
    names = ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{kept[name]}\n" for name in names if name in kept)
    signature = rsa_key(number).sign(text.encode(), PKCS1v15(), SHA256())
    return json.dumps(kept | {"Signature": base64.b64encode(signature).decode()}).encode()


def confirmation(**fields: str) -> Signed:
    """A message of SNS that asks to confirm a subscription."""
    given = {"Type": "SubscriptionConfirmation", "Token": "abc", "SubscribeURL": SUBSCRIBE_URL, "Message": "Confirm."}
    return Signed("ses", {"Content-Type": "text/plain"}, sns({}, Subject=None, **(given | fields)))


def one(providers: Mapping[str, Provider], post: Signed) -> FeedbackEvent:
    """The only event that this post brings."""
    (event,) = providers[post.provider].receive(post.at()).events
    return event
