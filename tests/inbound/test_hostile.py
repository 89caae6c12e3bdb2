"""Any JSON and any bytes, with a right proof: no exception but a refusal, and only what a database can store."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.feedback.events import FeedbackEvent
from notifier.inbound.provider import Provider
from notifier.inbound.refusals import Refused
from notifier.testing.clocks import NOON
from tests.support.webhook_payloads import PAYLOADS, payload
from tests.support.webhooks import PROVIDERS, Signed, signed

_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["Bounce", "bounce", "failed", "smtp; 550 5.1.1 user unknown", "\ud800", "\0", 1e308, -1, 10**18])
)  # fmt: skip
_NAMES = st.sampled_from(
    ["event", "eventType", "bounce", "mail", "headers", "name", "value", "type", "data", "to", "timestamp", "email",
     "RecordType", "Metadata", "delivery-status", "message", "user-variables", "bouncedRecipients", "emailAddress"]
)  # fmt: skip
JSON = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(_NAMES | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)  # fmt: skip

HOSTILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def events(providers: Mapping[str, Provider], post: Signed) -> tuple[FeedbackEvent, ...]:
    try:
        return providers[post.provider].receive(post.at()).events
    except Refused:
        return ()


def check(found: tuple[FeedbackEvent, ...]) -> None:
    for event in found:
        assert 1 <= len(event.event_id) <= 255
        assert len(event.recipient) <= 320
        assert len(event.text) <= 500
        assert len(event.enhanced or "") <= 16
        assert event.happened_at <= NOON
        for text in (event.event_id, event.recipient, event.text, *event.server_ids):
            assert text.isprintable()


def changed(value: Any, path: list[int], new: Any) -> Any:
    """Put `new` somewhere into a payload: each number of `path` chooses one of the entries of a level."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    if isinstance(value, list):
        place = path[0] % len(value)
        return [*value[:place], changed(value[place], path[1:], new), *value[place + 1 :]]
    name = sorted(value)[path[0] % len(value)]
    return value | {name: changed(value[name], path[1:], new)}


@pytest.mark.parametrize("name", PROVIDERS)
@HOSTILE
@given(what=JSON)
def test_any_json(providers: Mapping[str, Provider], name: str, what: Any) -> None:
    check(events(providers, signed(name, what)))


@pytest.mark.parametrize("name", PROVIDERS)
@HOSTILE
@given(
    kind=st.sampled_from(["bounce", "complaint", "delivered"]),
    path=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    new=JSON,
)
def test_a_real_payload_with_anything_in_it(
    providers: Mapping[str, Provider], name: str, kind: str, path: list[int], new: Any
) -> None:
    assert name in PAYLOADS
    check(events(providers, signed(name, changed(payload(name, kind), path, new))))


@pytest.mark.parametrize("name", PROVIDERS)
@HOSTILE
@given(body=st.binary(max_size=200), header=st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_bytes_and_any_proof(providers: Mapping[str, Provider], name: str, body: bytes, header: str) -> None:
    post = signed(name, payload(name, "bounce"))
    headers = {each: header for each in post.headers if each != "Content-Type"}
    assert events(providers, Signed(name, headers, body)) == ()
