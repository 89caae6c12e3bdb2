"""Which URLs and addresses may be called."""

import socket

import pytest

from notifier.webhooks.addresses import BadUrl, checked_url, refusal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "fe80::1%eth0", "100.64.0.1", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "192.0.0.170",
        "198.18.0.1", "203.0.113.9", "fc00::1", "fec0::1", "2001:db8::1",
        # Special, although some versions of Python do not know it; two of them answer virtual machines of a cloud.
        "192.0.0.192", "192.0.0.9", "192.88.99.1", "3fff::1", "5f00::1", "168.63.129.16", "::ffff:192.0.0.192",
        # IPv4 in another form: mapped, compatible, 6to4, Teredo, NAT64.
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "::8.8.8.8",
        "2002:7f00:1::", "2002:0a00:0001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "not an address",
    ],
)  # fmt: skip
def test_addresses_of_our_own_network_are_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9"])
def test_public_addresses_are_called(address: str) -> None:
    assert refusal(address) is None


def test_a_public_address_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Probe(socket.socket):
        def connect(self, address: object) -> None:
            pass

        def getsockname(self) -> tuple[str, int]:
            return "9.9.9.9", 50_000

    monkeypatch.setattr(socket, "socket", Probe)
    assert refusal("9.9.9.9") == "this machine (one of its own addresses)"
    assert refusal("9.9.9.10") is None


def test_this_machine_is_called_if_a_setting_allows_it() -> None:
    assert refusal("127.0.0.1", loopback=True) is None
    assert refusal("::ffff:127.0.0.1", loopback=True) is None
    assert refusal("10.0.0.1", loopback=True)
    assert refusal("0.0.0.0", loopback=True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "must begin with https"), ("ftp://example.com/", "must begin with https"),
        ("https:///x", "no host"), ("https://example.com:99999/", "no valid host and port"),
        ("https://a:b@example.com/", "user name"), ("https://@example.com/", "user name"),
        ("https://example.com/#x", "after #"), ("https://example.com:25/", "port"), ("https://example.com:80/", "port"),
        ("https://exämple.com/", "percent-encoded"), ("https://example.com/a b", "percent-encoded"),
        ("https://example.com/\r\nX: y", "percent-encoded"), ("https://example.com\\@evil.example/", "percent-encoded"),
        ("https://example.com/" + "x" * 500, "longer than 500"), ("https://10.0.0.1/", "private"),
        ("https://[::1]/", "this machine"), ("https://[::ffff:10.0.0.1]/", "private"), ("https://[::1/", "no valid"),
    ],
)  # fmt: skip
def test_urls_are_checked_when_they_are_stored(url: str, why: str) -> None:
    with pytest.raises(BadUrl, match=why):
        checked_url(url)


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:8443/a?b=c", "https://9.9.9.9/"])
def test_usual_urls_are_taken(url: str) -> None:
    assert checked_url(url).geturl() == url


def test_http_is_only_for_this_machine_and_only_in_development() -> None:
    assert checked_url("http://localhost:80/", loopback=True).hostname == "localhost"
    assert checked_url("http://127.0.0.1:25/", loopback=True).port == 25
    for url, loopback in (("http://localhost/", False), ("http://example.com/", True), ("http://10.0.0.1/", True)):
        with pytest.raises(BadUrl):
            checked_url(url, loopback=loopback)
