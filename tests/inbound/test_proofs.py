"""Proofs of providers: what is refused, and what several keys allow."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from notifier.config.settings import ConfigError
from notifier.inbound import registry
from notifier.inbound.provider import Provider
from notifier.inbound.refusals import NotProven, Unreadable
from notifier.testing.clocks import NOON
from notifier.testing.settings import make_settings
from tests.support.webhook_payloads import payload
from tests.support.webhooks import (
    PROVIDERS,
    SECRET,
    WHSEC,
    Aws,
    Signed,
    basic,
    public_text,
    settings,
    signed,
)

each_provider = pytest.mark.parametrize("name", PROVIDERS)


def wrong(name: str) -> list[Signed]:
    """Posts without their proof, or with one that is wrong or of something else."""
    what = payload(name, "bounce")
    right = signed(name, what)
    if name == "ses":
        fields: list[dict[str, Any]] = [
            {"SignatureVersion": "1"}, {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:bounces"},
            {"SigningCertURL": "https://evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"},
            {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/x.pem"},
            {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/x.pem"},
            {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/x.pem"},
            {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com:8443/x.pem"},
            {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem"},
            {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/../x.pem"},
            {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem?a=b"},
        ]  # fmt: skip
        return [
            *(signed(name, what, **each) for each in fields), signed(name, what, number=2),
            right.with_body(lambda body: body.replace(b"550 5.1.1", b"550 5.1.2")),
            right.with_body(lambda body: body.replace(b'"Signature": "', b'"Signature": "A')),
            right.with_body(lambda body: body.replace(b'"Signature": "', b'"Signature": "\\u00e4')),
            right.with_body(lambda body: json.dumps({**json.loads(body), "Signature": None}).encode()),
            right.with_body(lambda body: json.dumps({**json.loads(body), "Message": 5}).encode()),
        ]  # fmt: skip
    if name == "mailgun":
        return [
            signed(name, what, key="another-key-of-mailgun-000000000"),
            *(right.with_body(lambda body, field=field: body.replace(b'"%s": "' % field, b'"%s": "0' % field))
              for field in (b"timestamp", b"token", b"signature")),
            *(right.with_body(lambda body, field=field: body.replace(b'"%s": ' % field, b'"x": '))
              for field in (b"timestamp", b"token", b"signature")),
        ]  # fmt: skip
    if name == "sendgrid":
        signature = "X-Twilio-Email-Event-Webhook-Signature"
        return [
            signed(name, what, number=2),
            *(right.with_headers(**{signature: value}) for value in (None, "", "x")),
            right.with_headers(**{signature: "AAAA"}), right.with_headers(**{signature: "\u00e4"}),
            right.with_headers(**{"X-Twilio-Email-Event-Webhook-Timestamp": None}),
            right.with_body(lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode()),
            right.with_body(lambda body: body + b" "),
        ]  # fmt: skip
    if name == "resend":
        return [
            signed(name, what, secret=WHSEC[:-4] + "AAA="), right.with_headers(svix_id="msg_other"),
            *(right.with_headers(**{f"svix_{each}": None}) for each in ("id", "timestamp", "signature")),
            right.with_headers(svix_signature="v1,AAAA"), right.with_headers(svix_timestamp="soon"),
            right.with_headers(svix_signature=right.headers["svix-signature"].replace("v1,", "v2,")),
            right.with_body(lambda body: body + b" "),
        ]  # fmt: skip
    return [
        signed(name, what, secret=SECRET[:-1]), right.with_headers(Authorization=None),
        *(right.with_headers(Authorization=value) for value in (
            "", "Basic", "Bearer", "Bearer ", "Basic !", "Basic YQ==", f"Basic {SECRET}", f"Digest {SECRET}",
            SECRET, f"Bearer {SECRET}x", basic(secret=""), basic("", SECRET), "Bearer \u00e4", "Basic /w==",
        )),
    ]  # fmt: skip


def is_taken(providers: Mapping[str, Provider], post: Signed) -> bool:
    try:
        providers[post.provider].receive(post.at())
    except NotProven:
        return False
    return True


@each_provider
def test_without_its_proof_a_post_is_refused(providers: Mapping[str, Provider], aws: Aws, name: str) -> None:
    posts = wrong(name)
    assert [number for number, post in enumerate(posts) if is_taken(providers, post)] == []
    assert {url.partition("/Simple")[0] for url in aws.asked} <= {"https://sns.eu-west-1.amazonaws.com"}
    assert providers[name].receive(signed(name, payload(name, "bounce")).at()).events


@pytest.mark.parametrize("name", ["ses", "mailgun", "sendgrid", "resend"])
def test_an_old_post_is_refused(providers: Mapping[str, Provider], name: str) -> None:
    seconds = {"ses": 75 * 60, "mailgun": 1800, "sendgrid": 300, "resend": 300}[name]
    for ago, taken in ((seconds, True), (seconds + 1, False), (-300, True), (-301, False), (3600 * 24, False)):
        post = signed(name, payload(name, "bounce"), now=NOON - timedelta(seconds=ago))
        if taken:
            assert providers[name].receive(post.at()).events
        else:
            with pytest.raises(NotProven):
                providers[name].receive(post.at())


@pytest.mark.parametrize("name", ["postmark", "brevo", "mailjet"])
def test_a_secret_may_come_as_a_bearer_or_as_a_password(providers: Mapping[str, Provider], name: str) -> None:
    post = signed(name, payload(name, "bounce"))
    for value in (f"Bearer {SECRET}", f"bearer  {SECRET} ", basic(user=""), basic(user="a:b".partition(":")[0])):
        assert providers[name].receive(post.with_headers(Authorization=value).at()).events


def test_several_keys_are_right_at_once() -> None:
    both: dict[str, Any] = {
        "inbound_postmark_secrets": ["another-secret-of-ours", SECRET],
        "inbound_mailgun_keys": ["another-key-of-mailgun", settings()["inbound_mailgun_keys"][0]],
        "inbound_sendgrid_keys": [public_text(2), public_text(1)],
        "inbound_resend_secrets": ["whsec_" + "A" * 43 + "=", WHSEC],
    }
    providers = registry.configured(make_settings(**both), Aws())
    assert set(providers) == {"postmark", "mailgun", "sendgrid", "resend"}
    for name, provider in providers.items():
        assert provider.receive(signed(name, payload(name, "bounce")).at()).events


def test_only_providers_with_a_setting_are_there() -> None:
    assert registry.configured(make_settings(), Aws()) == {}
    assert list(registry.configured(make_settings(**settings()), Aws())) == list(registry.NAMES) == list(PROVIDERS)


def test_a_damaged_key_is_named() -> None:
    damaged = public_text()[:60] + "A" * 62 + "=="
    with pytest.raises(ConfigError, match="INBOUND_SENDGRID_KEYS"):
        registry.configured(make_settings(inbound_sendgrid_keys=[damaged]), Aws())


@each_provider
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 10_000, b'{"a":' * 50_000])
def test_what_is_no_json_is_unreadable(providers: Mapping[str, Provider], name: str, body: bytes) -> None:
    with pytest.raises((Unreadable, NotProven)):
        providers[name].receive(signed(name, {}).with_body(lambda _: body).at())
