"""How often the way in may be tried: per client, per network, per operator, and in all.

As with the public forms, Redis holds the counts, and each process counts for itself while Redis is away.
"""

import hashlib
from ipaddress import IPv4Address, ip_address

from flask import request, session
from flask_limiter.util import get_remote_address

from notifier.addresses import AddressError, abuse_key, parse_address
from notifier.extensions import limiter

PER_CLIENT = "10 per minute; 60 per hour"
PER_NETWORK = "40 per minute; 300 per hour"
PER_ADDRESS = "5 per minute; 30 per hour"
IN_ALL = "600 per minute"

#: Where the cookie says whose code is asked for; see `notifier.admin.sign_in`.
HALF_WAY = "half_way"


def _network() -> str:
    client = ip_address(get_remote_address())
    return str(client).rpartition(".")[0] if isinstance(client, IPv4Address) else client.exploded[:19]


def _address() -> str:
    """A digest of the address in the form: known and unknown ones are counted alike."""
    typed = request.form.get("email", "")[:1000]
    try:
        key = abuse_key(parse_address(typed))
    except AddressError:
        key = f"{get_remote_address()} {typed}"
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def _half_way() -> str:
    """Whose code: a code has six digits, so tries are counted however many cookies there are."""
    half = session.get(HALF_WAY)
    return f"operator {half[0]}" if half else f"client {get_remote_address()}"


_SHARED = (
    limiter.shared_limit(PER_CLIENT, scope="sign-in-client", methods=["POST"]),
    limiter.shared_limit(PER_NETWORK, scope="sign-in-network", key_func=_network, methods=["POST"]),
    limiter.shared_limit(IN_ALL, scope="sign-in-all", key_func=lambda: "all", methods=["POST"]),
)

password_limits = (
    *_SHARED,
    limiter.shared_limit(PER_ADDRESS, scope="sign-in-address", key_func=_address, methods=["POST"]),
)
code_limits = (*_SHARED, limiter.shared_limit(PER_ADDRESS, scope="sign-in-code", key_func=_half_way, methods=["POST"]))
