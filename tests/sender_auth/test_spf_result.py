"""SPF for an address: the result that a receiver gets (RFC 7208, section 4)."""

import pytest

from notifier.sender_auth.spf_result import SpfResult, evaluate
from tests.support.dns import StubResolver

D, V4, V6 = "example.com", "198.51.100.7", "2001:db8::7"
P, F, S, N, U = SpfResult.PASS, SpfResult.FAIL, SpfResult.SOFTFAIL, SpfResult.NEUTRAL, SpfResult.UNCLEAR


@pytest.mark.parametrize(
    ("record", "ip", "result"),
    [
        (f"ip4:{V4} -all", V4, P),
        ("ip4:198.51.100.0/24 -all", V4, P),
        ("ip4:198.51.100.0/30 -all", V4, F),
        ("ip4:0.0.0.0/0 -all", V6, F),
        ("ip6:2001:DB8::/32 -all", V6, P),
        ("ip6:2001:db8::/128 ~all", V6, S),
        ("-ip4:198.51.100.7 +all", V4, F),
        ("?all", V4, N),
        ("ip4:203.0.113.1", V4, N),
        ("a -all", V4, P),
        ("a -all", "198.51.100.8", F),
        ("a/24 -all", "198.51.100.8", P),
        ("a//64 -all", "2001:db8::8", P),
        ("a:gone.example -all", V4, F),
        ("mx -all", "203.0.113.5", P),
        ("mx:other.example/28 -all", "203.0.113.5", F),
        ("include:relay.example -all", "203.0.113.99", P),
        # What the included record says of others is not ours to repeat.
        ("include:relay.example ~all", V4, S),
        ("include:relay.example include:broken.example -all", V4, U),
        ("include:relay.example include:broken.example -all", "203.0.113.99", P),
        ("redirect=relay.example", V4, F),
        ("redirect=relay.example", "203.0.113.99", P),
        ("ip4:203.0.113.1 redirect=%{d}.example", V4, U),
        ("exists:%{i}.relay.example -all", V4, U),
        (f"ip4:{V4} exists:%{{i}}.relay.example -all", V4, P),
        ("ptr -all", V4, U),
        ("IP4:198.51.100.7 -ALL", V4, P),
        ("exp=why.example -all", V4, F),
    ],
)
def test_what_a_receiver_makes_of_an_address(record: str, ip: str, result: SpfResult) -> None:
    resolver = StubResolver(
        {
            ("txt", D): ["another text", f"v=spf1 {record}"],
            ("a", D): [V4, V6],
            ("mx", D): ["in.example.com"],
            ("a", "in.example.com"): ["203.0.113.5"],
            ("txt", "relay.example"): ["v=spf1 ip4:203.0.113.99 -all"],
            ("txt", "broken.example"): "servers failed",
        }
    )
    assert evaluate(ip, D, resolver) is result


def test_a_domain_without_a_record_or_one_that_redirects_to_itself_gives_none() -> None:
    assert evaluate(V4, D, StubResolver({})) is SpfResult.NONE
    assert evaluate(V4, D, StubResolver({("txt", D): [f"v=spf1 redirect={D}"]})) is SpfResult.NONE
