"""Identify the client of a request, for limits and the audit log, by the address that the trusted proxies report.

A proxy may report an address with a port or in brackets, or a word such as `unknown` (RFC 7239, section 6). All
requests without an address share one bucket, so that they neither fail nor escape the limits.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import has_request_context, request

#: Requests without a readable address share this client, and this network.
UNKNOWN = "unknown"

#: Prefix lengths by IP version. An IPv6 customer has a /64 for one device and usually a /48 or /56 in all (RFC 6177).
CLIENT_BITS, NETWORK_BITS = {4: 32, 6: 64}, {4: 24, 6: 48}

#: The port may be missing behind its colon, obfuscated or invalid, because only the address counts.
_IPV4_PORT = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):[\w.-]{0,20}\Z")
_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.%A-Za-z]{2,60})\](?::[\w.-]{0,20})?\Z")
#: The parameter of the Forwarded header, such as `for="[2001:db8::1]:4711"`.
_FOR = re.compile(r"for\s{0,5}=\s{0,5}", re.IGNORECASE)
_LONGEST = 80


def parse_client(text: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address in `text`: bare, with a port, in brackets, quoted, or mapped from IPv4. None without one."""
    if not text or len(text) > _LONGEST:
        return None
    text = text.strip()
    if found := _FOR.match(text):
        text = text[found.end() :]
    text = text.strip("\"' ")
    found = _IPV4_PORT.match(text) or _BRACKETS.match(text)
    try:
        address = ip_address((found[1] if found else text).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def address() -> str:
    """Return the address of this request's client, for people and the audit log; empty if it is not known."""
    return str(parse_client(request.remote_addr) or "") if has_request_context() else ""


def client() -> str:
    """Return the key of this request's client: its IPv4 address or its IPv6 /64."""
    return _block(CLIENT_BITS)


def network() -> str:
    """Return the key of this request's network: its IPv4 /24 or its IPv6 /48."""
    return _block(NETWORK_BITS)


def network_of(text: str | None) -> str:
    """Return the key of the network of an address, as `network` does for the request's."""
    return _of(parse_client(text), NETWORK_BITS)


def _block(bits: dict[int, int]) -> str:
    return _of(parse_client(request.remote_addr), bits)


def _of(found: IPv4Address | IPv6Address | None, bits: dict[int, int]) -> str:
    if found is None:
        return UNKNOWN
    return str(ip_network((found, bits[found.version]), strict=False))
