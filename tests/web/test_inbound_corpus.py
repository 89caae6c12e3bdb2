"""webhook.json through a running service, on both databases."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from notifier.extensions import db
from notifier.models import WebhookState
from notifier.services import services_of
from notifier.testing.clocks import NOON
from tests.support.webhook_world import World, world
from tests.support.webhooks import CERTIFICATE_URL, PROVIDERS, Signed, confirmation, settings, signed

CASES = json.loads((Path(__file__).parents[1] / "data" / "webhook.json").read_text())

Make = Callable[[World, str], Signed]


@pytest.fixture
def service(frozen: object, make_app: Callable[..., Flask]) -> Iterator[World]:
    with world(make_app(publish=lambda keys, bulk: None, **settings())) as made:
        yield made


def about(provider: str, **proof: Any) -> Make:
    """A bounce with its proof, or with a wrong one."""
    return lambda service, claim: signed(provider, service.payload(provider, "bounce", claim), **proof)


def changed(provider: str, change: Callable[[Signed], Signed]) -> Make:
    return lambda service, claim: change(about(provider)(service, claim))


#: The requests of the corpus that are about one provider.
REQUESTS: dict[str, Make] = {
    "valid HMAC": about("mailgun"),
    "wrong key": about("mailgun", key="another-key-of-mailgun"),
    "signature missing": changed("mailgun", lambda post: post.with_body(lambda body: body.replace(b"signature", b"x"))),
    "same token replayed": about("mailgun", token="t" * 50),
    "valid v2": about("ses"),
    "SigningCertURL on evil.example": about(
        "ses", SigningCertURL=CERTIFICATE_URL.replace("amazonaws.com", "evil.example")
    ),
    "SigningCertURL https://sns.us-east-1.amazonaws.com.evil.example/x.pem": about(
        "ses", SigningCertURL="https://sns.us-east-1.amazonaws.com.evil.example/x.pem"
    ),
    "http:// cert url": about("ses", SigningCertURL=CERTIFICATE_URL.replace("https", "http")),
    "SubscribeURL to 169.254.169.254": lambda service, claim: confirmation(
        SubscribeURL="http://169.254.169.254/latest"
    ),
    "TopicArn of another account": about("ses", TopicArn="arn:aws:sns:eu-west-1:999999999999:bounces"),
    "valid ECDSA over timestamp+raw body": about("sendgrid"),
    "body re-serialised by middleware": changed(
        "sendgrid", lambda post: post.with_body(lambda body: json.dumps(json.loads(body), indent=1).encode())
    ),
    "basic auth ok": about("postmark"),
    "no auth": changed("postmark", lambda post: post.with_headers(Authorization=None)),
}
OLD = "timestamp 1 h old"
STATUS = {
    "200": 200, "401": 401, "200_noop": 200, "401_no_fetch": 401, "ignored_no_fetch": 200, "413": 413, "ignored": 200,
}  # fmt: skip


def single() -> list[dict[str, str]]:
    return [case for case in CASES if case["provider"] != "any"]


@pytest.mark.parametrize("case", single(), ids=lambda case: case["id"])
def test_a_request_of_the_corpus(service: World, case: dict[str, str]) -> None:
    claim, expect = service.email(), case["expect"]
    old = about(case["provider"], now=NOON - timedelta(hours=1))
    make = old if case["mutation"] == OLD else REQUESTS[case["mutation"]]
    if case["mutation"] == "same token replayed":
        # The token comes with another event first, about an email that is not ours.
        post = signed("mailgun", service.payload("mailgun", "complaint", "", to="x@example.com"), token="t" * 50)
        assert service.post(post).status == 200
    assert service.post(make(service, claim)).status == STATUS[expect]
    assert service.statuses() == ["bounced" if expect == "200" else "sent"]
    assert service.suppressed() == ({"user1@example.com": "hard_bounce"} if expect == "200" else {})
    if expect.endswith("no_fetch"):
        assert [url for url in service.aws.asked if url != CERTIFICATE_URL] == []
    if expect == "401_no_fetch":
        assert service.aws.asked == []


# Every provider on one database; the other differs in how rows are stored, not in the providers.
every = pytest.mark.parametrize(
    ("provider", "database_url"),
    [*((provider, "sqlite") for provider in PROVIDERS), ("sendgrid", "postgres"), ("mailgun", "postgres")],
    indirect=["database_url"],
)


@every
def test_webhook_017_a_body_of_20_mb(service: World, provider: str) -> None:
    service.email()
    for size in (1024 * 1024 + 1, 20_000_000):
        answer = service.post(Signed(provider, {"Content-Type": "application/json"}, b" " * size))
        assert (answer.status, json.loads(answer.text)) == (413, {"message": "The body is too big."})
    with service.app.app_context():
        state = db.session.get_one(WebhookState, provider)
        assert state.refusal == f"the body has more than {services_of(service.app).inbound[provider].max_bytes:,} bytes"
    assert service.statuses() == ["sent"]


@every
def test_webhook_018_an_unknown_type(service: World, provider: str) -> None:
    claim = service.email()
    assert service.report(provider, "unknown", claim).status == 200
    assert (service.statuses(), service.feedback()) == (["sent"], [])


@every
def test_webhook_019_an_unknown_recipient(service: World, provider: str) -> None:
    service.email()
    for kind in ("bounce", "complaint", "delivered"):
        assert service.report(provider, kind, "", to="unknown@example.com").status == 200
    assert (service.statuses(), service.suppressed()) == (["sent"], {})


@every
def test_webhook_020_a_delivery_of_another_address(service: World, provider: str) -> None:
    claim = service.email()
    service.email(2)
    for kind in ("bounce", "complaint"):
        assert service.report(provider, kind, claim, to="user2@example.com").status == 200
    assert (service.statuses(), service.suppressed()) == (["sent", "sent"], {})


@every
def test_webhook_021_the_same_event_ten_times_at_once(service: World, provider: str) -> None:
    claim = service.email()
    fixed = {"id": "msg_1"} if provider == "resend" else {}
    posts = [signed(provider, service.payload(provider, "bounce", claim), **fixed) for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(service.post, posts))
    assert {answer.status for answer in answers} == {200}
    assert len(service.feedback()) == 1
    assert service.statuses() == ["bounced"]


def test_the_whole_corpus_is_here() -> None:
    tried = {case["id"] for case in single()} | {f"webhook-0{number}" for number in range(17, 22)}
    assert tried == {case["id"] for case in CASES}
    assert {case["mutation"] for case in single()} == {*REQUESTS, OLD}
