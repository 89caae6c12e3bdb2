"""Addresses that proxies report: with ports, in brackets, mapped, or none at all."""

import pytest

from notifier.security import clients


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        (None, None),
        ("203.0.113", None),
        ("999.0.113.9:80", None),
        ("203.0.113.9:http", "203.0.113.9"),
        ("203.0.113.9:", "203.0.113.9"),
        ("203.0.113.9:999999", "203.0.113.9"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="203.0.113.9"', "203.0.113.9"),
        ("[203.0.113.9", None),
        ("1" * 100_000, None),
    ],
)
def test_the_address_is_found_where_there_is_one(text: str | None, address: str | None) -> None:
    found = clients.parse_client(text)
    assert (None if found is None else str(found)) == address


def test_networks_are_a_24_and_a_48() -> None:
    assert clients.network_of("203.0.113.9:1") == clients.network_of("203.0.113.250") == "203.0.113.0/24"
    assert clients.network_of("2001:db8:7:1::1") == clients.network_of("2001:db8:7:ffff::1") == "2001:db8:7::/48"
    assert clients.network_of("unknown") == clients.network_of(None) == clients.UNKNOWN
