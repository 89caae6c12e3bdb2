"""Which addresses of other servers may be called: an operator's mistake or malice must not reach our own network.

The rules stand against server-side request forgery (OWASP: "Server Side Request Forgery Prevention"). The URL is
checked when it is stored; the IP addresses behind its name are checked before every call, and the call goes to exactly
the address that was checked.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

#: Characters.
LONGEST_URL = 500

#: The lowest port besides 443. Below it are the ports of protocols that a request could be written for, such as SMTP.
LOWEST_PORT = 1024

#: IPv6 addresses that stand for an IPv4 address, which a gateway may forward anywhere: compatible (RFC 4291), NAT64
#: (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380).
_TRANSLATED = tuple(IPv6Network(each) for each in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))

#: Special networks (IANA: special-purpose registries) that some versions of Python take for public ones: of IETF
#: protocols, with the metadata service of Oracle's cloud; the former relays of 6to4; of documentation; of SRv6. And the
#: service of Azure that each of its machines reaches at a public address.
_SPECIAL = tuple(ip_network(each) for each in (
    "192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "5f00::/16", "168.63.129.16/32",
))  # fmt: skip


class BadUrl(ValueError):
    """This URL cannot be an endpoint. The message says why."""


def checked_url(url: str, *, loopback: bool = False) -> SplitResult:
    """Return the parts of an endpoint's URL. Raise BadUrl.

    `loopback`: this machine is allowed, also by http; for development.
    """
    if len(url) > LONGEST_URL:
        raise BadUrl(f"the URL is longer than {LONGEST_URL} characters")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadUrl("the URL holds characters that must be percent-encoded, or a name that must be in punycode")
    try:
        parts = urlsplit(url)
        port = port_of(parts)
    except ValueError:
        raise BadUrl("the URL has no valid host and port") from None
    for why, wrong in _mistakes(parts, port, loopback).items():
        if wrong:
            raise BadUrl(why)
    literal = _literal(parts.hostname or "")
    if literal is not None and (why := refusal(literal, loopback=loopback) or ""):
        raise BadUrl(f"the URL leads to {why}")
    return parts


def _mistakes(parts: SplitResult, port: int, loopback: bool) -> dict[str, bool]:
    local = parts.scheme == "http" and loopback and is_loopback(parts.hostname or "")
    return {
        "the URL has no host": not parts.hostname,
        "the URL holds a user name or a password: every call is signed, so it needs none": "@" in parts.netloc,
        "the URL has a part after #, which is never sent": bool(parts.fragment),
        "the URL must begin with https://": parts.scheme != "https" and not local,
        f"the port must be 443, or {LOWEST_PORT} or above": not local and port != 443 and port < LOWEST_PORT,
    }


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL. Raise ValueError if it is none."""
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80


def is_loopback(host: str) -> bool:
    """Return whether a host, as a URL names it, can only be this machine."""
    literal = _literal(host)
    return host == "localhost" if literal is None else ip_address(literal).is_loopback


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def refusal(address: str, *, loopback: bool = False) -> str | None:
    """Return what is wrong with calling this IP address, for people; None if it may be called."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "what is no IP address"
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return None if loopback else "this machine (a loopback address)"
    if isinstance(ip, IPv6Address) and (ip.is_site_local or any(ip in each for each in _TRANSLATED)):
        return "an address that is translated or only valid in a private network"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast:
        return "a multicast address"
    # Private, shared (RFC 6598), reserved, documentation and unspecified addresses are not global.
    if not ip.is_global or ip.is_reserved or any(ip in each for each in _SPECIAL):
        return "an address in a private or reserved network"
    return "this machine (one of its own addresses)" if _is_own(ip) else None


def _is_own(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether a public address is one of this machine: it would be the sender of packets to itself.

    `connect` of a datagram socket chooses the route and sends nothing.
    """
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(ip), 443))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == str(ip))
