"""Evaluate an SPF record for an IP address (`check_host`, RFC 7208, section 4)."""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from notifier.sender_auth.lookup import LookupFailed, Resolver

_TERM = re.compile(
    r"(?P<sign>[-+~?]?)(?P<name>all|include|a|mx|ptr|exists|ip4|ip6)(?::(?P<value>[^\s/]+))?"
    r"(?:/(?P<four>\d{1,3}))?(?://(?P<six>\d{1,3}))?\Z",
    re.I,
)
_REDIRECT = re.compile(r"redirect=(\S+)\Z", re.I)


class SpfResult(StrEnum):
    """The result for an address (RFC 7208 2.6). UNCLEAR: it depends on the email, or a lookup failed."""

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    UNCLEAR = "unclear"


_RESULTS = {
    "": SpfResult.PASS,
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}

#: The record was counted before (`spf.check_spf`), which refuses loops; this ends one that a test or a change makes.
_DEEPEST = 20


def evaluate(ip: str, domain: str, resolver: Resolver, depth: int = 0) -> SpfResult:
    """Return the result of `domain`'s record for an email from `ip`."""
    try:
        records = [text for text in resolver.txt(domain) if re.match(r"v=spf1(?: |\Z)", text, re.I)]
        if len(records) != 1 or depth > _DEEPEST:
            return SpfResult.NONE
        return _evaluated(ip_address(ip), records[0], domain, resolver, depth)
    except LookupFailed:
        return SpfResult.UNCLEAR


def _evaluated(ip: IPv4Address | IPv6Address, record: str, domain: str, resolver: Resolver, depth: int) -> SpfResult:
    redirect = ""
    for term in record.split()[1:]:
        found = _TERM.match(term)
        if found is None:
            target = _REDIRECT.match(term)
            redirect = target[1] if target else redirect
            continue
        if "%" in term or found["name"].lower() in {"ptr", "exists"}:
            return SpfResult.UNCLEAR
        if found["name"].lower() == "include":
            inner = evaluate(str(ip), found["value"], resolver, depth + 1)
            if inner is SpfResult.UNCLEAR:
                return inner
            matches = inner is SpfResult.PASS
        else:
            matches = _matches(ip, found, domain, resolver)
        if matches:
            return _RESULTS[found["sign"]]
    if redirect:
        return SpfResult.UNCLEAR if "%" in redirect else evaluate(str(ip), redirect, resolver, depth + 1)
    return SpfResult.NEUTRAL


def _matches(ip: IPv4Address | IPv6Address, term: re.Match[str], domain: str, resolver: Resolver) -> bool:
    kind, value = term["name"].lower(), term["value"]
    length = term["four"] if ip.version == 4 else term["six"]
    if kind == "all":
        return True
    if kind in {"ip4", "ip6"}:
        network = ip_network(value if term["four"] is None else f"{value}/{term['four']}", strict=False)
        return ip in network
    hosts = resolver.mx(value or domain) if kind == "mx" else [value or domain]
    addresses = [ip_address(address) for host in hosts for address in resolver.addresses(host)]
    width = ip.max_prefixlen if length is None else int(length)
    return any(
        ip in ip_network(f"{address}/{width}", strict=False) for address in addresses if address.version == ip.version
    )
