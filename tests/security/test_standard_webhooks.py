"""Standard Webhooks: the example of the specification, several secrets, age, and everything that may be wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from notifier.security.standard_webhooks import BadWebhook, secret_bytes, sign, verify

#: From the specification's own test vectors.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(STAMP, UTC)
OTHER = "whsec_" + "A" * 43 + "="


def headers(prefix: str = "webhook-", **changes: str) -> dict[str, str]:
    values = {"id": MESSAGE_ID, "timestamp": str(STAMP), "signature": SIGNATURE} | changes
    return {f"{prefix}{name}": value for name, value in values.items()}


def test_the_example_of_the_specification() -> None:
    assert sign(SECRET, MESSAGE_ID, STAMP, BODY) == SIGNATURE
    for prefix in ("webhook-", "svix-"):
        assert verify([SECRET], headers(prefix), BODY, NOW) == MESSAGE_ID


def test_one_of_several_secrets_and_of_several_signatures_is_enough() -> None:
    assert verify([OTHER, SECRET], headers(), BODY, NOW)
    both = f"{sign(OTHER, MESSAGE_ID, STAMP, BODY)} v1a,something {SIGNATURE}"
    assert verify([SECRET], headers(signature=both), BODY, NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86400, -86400])
def test_it_must_be_from_now(seconds: int) -> None:
    edge = 300 if seconds > 0 else -300
    assert verify([SECRET], headers(), BODY, NOW + timedelta(seconds=edge))
    with pytest.raises(BadWebhook, match="too old, or in the future"):
        verify([SECRET], headers(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": ""}, {"signature": "v1,"}, {"signature": SIGNATURE[3:]}, {"signature": SIGNATURE[:-2] + "A="},
        {"signature": SIGNATURE.replace("v1", "v2")}, {"signature": "v1,\u00e4"}, {"id": ""}, {"id": "msg_other"},
        {"id": "a.b"}, {"id": "a\u2028b"}, {"timestamp": ""}, {"timestamp": "now"}, {"timestamp": f"{STAMP}.0"},
        {"timestamp": "\u0661"}, {"timestamp": "9" * 40}, {"signature": f"{'v1,AAAA ' * 20}{SIGNATURE}"},
    ],
)  # fmt: skip
def test_everything_is_part_of_the_proof(changes: dict[str, str]) -> None:
    with pytest.raises(BadWebhook):
        verify([SECRET], headers(**changes), BODY, NOW)


@pytest.mark.parametrize("own", ["a.b", "a\nb", ""])
def test_an_id_could_otherwise_be_read_in_two_ways(own: str) -> None:
    with pytest.raises(BadWebhook, match="the id is missing or has another form"):
        verify([SECRET], headers(id=own, signature=sign(SECRET, own, STAMP, BODY)), BODY, NOW)


def test_the_body_is_taken_as_it_is() -> None:
    for body in (BODY + b"\n", BODY.replace(b" ", b""), b""):
        with pytest.raises(BadWebhook):
            verify([SECRET], headers(), body, NOW)
    with pytest.raises(BadWebhook):
        verify([OTHER], headers(), BODY, NOW)
    with pytest.raises(BadWebhook):
        verify([], headers(), BODY, NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_" + "A" * 88, "whsec_!" + "A" * 43, "\u00e4"])
def test_a_secret_has_24_to_64_bytes(secret: str) -> None:
    with pytest.raises(ValueError, match="a secret of Standard Webhooks"):
        secret_bytes(secret)
