"""How often the way in may be tried: per client, per network, per operator, and in all.

As with the public forms, Redis holds the counts, and each process counts for itself while Redis is away.
"""

import hashlib

from flask import Response, request, session

from notifier import clients
from notifier.addresses import AddressError, abuse_key, parse_address
from notifier.extensions import limiter

PER_CLIENT = "10 per minute; 60 per hour"
PER_NETWORK = "40 per minute; 300 per hour"
PER_ADDRESS = "5 per minute; 30 per hour"
IN_ALL = "600 per minute"

#: Where the cookie says whose code is asked for; see `notifier.admin.sign_in`.
HALF_WAY = "half_way"


def _address() -> str:
    """A digest of the address in the form: known and unknown ones are counted alike."""
    typed = request.form.get("email", "")[:1000]
    try:
        key = abuse_key(parse_address(typed))
    except AddressError:
        key = f"{clients.client()} {typed}"
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def _half_way() -> str:
    """Whose code: a code has six digits, so tries are counted however many cookies there are."""
    half = session.get(HALF_WAY)
    return f"operator {half[0]}" if half else f"client {clients.client()}"


def _was_a_try(response: Response) -> bool:
    """Whether a password or code was looked at: what was refused before must not use up what everyone shares."""
    return response.status_code not in {400, 413, 429}


_SHARED = (
    limiter.shared_limit(PER_CLIENT, scope="sign-in-client", methods=["POST"]),
    limiter.shared_limit(PER_NETWORK, scope="sign-in-network", key_func=clients.network, methods=["POST"]),
    limiter.shared_limit(IN_ALL, scope="sign-in-all", key_func=lambda: "all", methods=["POST"], deduct_when=_was_a_try),
)

password_limits = (
    *_SHARED,
    limiter.shared_limit(PER_ADDRESS, scope="sign-in-address", key_func=_address, methods=["POST"]),
)
code_limits = (*_SHARED, limiter.shared_limit(PER_ADDRESS, scope="sign-in-code", key_func=_half_way, methods=["POST"]))
