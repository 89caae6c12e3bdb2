"""Amazon SNS: certificates and subscriptions."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from notifier.bounces.reasons import Verdict
from notifier.inbound.provider import Provider
from notifier.inbound.refusals import NotProven, TryLater
from notifier.testing.clocks import NOON
from tests.support.webhook_payloads import payload
from tests.support.webhooks import (
    SUBSCRIBE_URL,
    Aws,
    certificate,
    confirmation,
    one,
    signed,
)


def test_the_certificate_is_fetched_once_in_a_day(providers: Mapping[str, Provider], aws: Aws) -> None:
    for _ in range(3):
        one(providers, signed("ses", payload("ses", "bounce")))
    assert len(aws.asked) == 1
    later = NOON + timedelta(days=1, seconds=1)
    providers["ses"].receive(signed("ses", payload("ses", "bounce"), now=later).at(later))
    assert len(aws.asked) == 2


def test_while_aws_is_away_the_post_may_come_again(providers: Mapping[str, Provider], aws: Aws) -> None:
    aws.body = TryLater("sns.eu-west-1.amazonaws.com did not answer")
    with pytest.raises(TryLater):
        one(providers, signed("ses", payload("ses", "bounce")))
    aws.body = b""
    assert one(providers, signed("ses", payload("ses", "bounce"))).verdict is Verdict.HARD


def test_strangers_cannot_let_us_fetch_without_end(providers: Mapping[str, Provider], aws: Aws) -> None:
    refused = []
    for number in range(20):
        url = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{number}.pem"
        with pytest.raises((NotProven, TryLater)) as caught:
            providers["ses"].receive(signed("ses", {}, number=2, SigningCertURL=url).at())
        refused.append(caught.type)
    assert len(aws.asked) == refused.count(NotProven) == 6


@pytest.mark.parametrize(
    "body",
    [b"", b"no certificate", certificate(begin=NOON - timedelta(days=10), days=9),
     certificate(begin=NOON + timedelta(days=1)), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)  # fmt: skip
def test_only_a_valid_certificate_counts(providers: Mapping[str, Provider], aws: Aws, body: bytes) -> None:
    aws.body = body or b" "
    with pytest.raises(NotProven):
        one(providers, signed("ses", payload("ses", "bounce")))


def test_a_subscription_of_our_topic_is_confirmed(providers: Mapping[str, Provider], aws: Aws) -> None:
    assert providers["ses"].receive(confirmation().at()).events == ()
    assert aws.asked[1:] == [SUBSCRIBE_URL]


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://sns.us-east-1.amazonaws.com/?a=b",
     "https://sns.eu-west-1.amazonaws.com.evil.example/?a", "http://sns.eu-west-1.amazonaws.com/?a=b",
     "https://sns.eu-west-1.amazonaws.com/?a=b\r\nX: y", "https://sns.eu-west-1.amazonaws.com@evil.example/?a"],
)  # fmt: skip
def test_a_subscription_elsewhere_is_ignored(providers: Mapping[str, Provider], aws: Aws, url: str) -> None:
    assert providers["ses"].receive(confirmation(SubscribeURL=url).at()).events == ()
    assert [each for each in aws.asked if not each.endswith(".pem")] == []


def test_a_subscription_of_another_topic_is_refused(providers: Mapping[str, Provider], aws: Aws) -> None:
    with pytest.raises(NotProven):
        providers["ses"].receive(confirmation(TopicArn="arn:aws:sns:eu-west-1:999999999999:x").at())
    assert aws.asked == []
