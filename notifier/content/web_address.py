"""Addresses of the web, as RFC 3986 writes them: each in ASCII, or refused with what is wrong."""

import re
from ipaddress import ip_address
from urllib.parse import quote

import idna

#: The longest address of a link, in characters.
MAX_URL = 2000

_PARTS = re.compile(r"(https?://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r"(.*?)(?::([^:\]]*))?", re.DOTALL)
#: Characters that mean something behind the host (RFC 3986, sections 2.2 and 2.3). All others are written in percent.
_KEPT = "%/:?#@!$&'()*+,;=-._~"
#: Browsers and HTML read these in more than one way.
_NEVER = frozenset(" \\\"'<>`")
#: A label of RFC 1123, section 2.1. The underscore is in none, but browsers and DNS take it.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
#: Browsers read a host with such a last label as an IPv4 address (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_MAX_HOST, _MAX_PORT = 253, 65535


class WrongAddressError(ValueError):
    """An address that no browser opens, or not all in the same way. Its text says what is wrong with it."""


def web_address(url: str, *, longest: int = MAX_URL) -> str:
    """Return the address in ASCII: the host by IDNA 2008 (UTS #46), the rest as UTF-8 in percent (RFC 3987, 3.1).

    An ASCII address keeps its spelling, except for characters that no address has. Raise WrongAddressError if it cannot
    be opened, or has more than `longest` characters.
    """
    found = _PARTS.fullmatch(url)
    if found is None:
        raise WrongAddressError("An address starts with https:// or http://.")
    scheme, place, rest = found.groups()
    if not url.isprintable() or set(url) & _NEVER:
        raise WrongAddressError("This address has characters that no address has: copy it from your browser.")
    if "@" in place:
        raise WrongAddressError("This address has a user name before its host: delete it and the @.")
    written = f"{scheme}{_place(place)}{quote(rest, safe=_KEPT)}"
    if len(written) > longest:
        raise WrongAddressError(f"This address has {len(written):,} characters; at most {longest:,} are allowed.")
    return written


def _place(place: str) -> str:
    """Return the host in ASCII, with its port."""
    found = _PORT.fullmatch(place)
    host, port = (found[1], found[2]) if found else (place, None)
    if not host:
        raise WrongAddressError("This address has no host, such as example.com.")
    if port and not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= _MAX_PORT):
        raise WrongAddressError(f"The port is a number from 1 to {_MAX_PORT}, but here it is “{port:.20}”.")
    return _host(host) + ("" if port is None else f":{port}")


def _host(host: str) -> str:
    """Return the host in ASCII: a name, which may be a single label, or an IP address."""
    if host.startswith("["):
        return _ip_address(host, host[1:-1] if host.endswith("]") else "", version=6)
    name = host if host.isascii() else _in_ascii(host)
    labels = name.removesuffix(".").split(".")
    if not all(labels):
        raise WrongAddressError(f"The host has an empty part: there is a dot too many in “{host:.100}”.")
    if len(name) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise _no_name(host)
    return _ip_address(name, name, version=4) if _NUMBER.fullmatch(labels[-1]) else name


def _in_ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise _no_name(host) from None


def _no_name(host: str) -> WrongAddressError:
    return WrongAddressError(
        f"The host “{host:.100}” is not a name: its parts have letters, digits and hyphens within, at most 63 each."
    )


def _ip_address(host: str, number: str, *, version: int) -> str:
    """Return the host if it is this IP address. The zone of an IPv6 address is of one machine: browsers refuse it."""
    try:
        if "%" not in number and ip_address(number).version == version:
            return host
    except ValueError:
        pass
    raise WrongAddressError(f"The host “{host:.100}” is not an IP address.")
