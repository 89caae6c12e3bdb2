"""How often the way in may be tried: per client, per network, per account, and in all.

Wrong passwords and codes are counted per network and per account, and slow both. A device that has signed in before
has a budget of its own, so strangers cannot keep its operator out. As with the public forms, Redis holds the counts,
and each process counts for itself while Redis is away.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, current_app, g, request, session
from flask.typing import ResponseReturnValue

from notifier.admin.access import devices
from notifier.admin.kit import login
from notifier.extensions import limiter
from notifier.mail.addresses import AddressError, abuse_key, parse_address
from notifier.security import clients

View = Callable[..., ResponseReturnValue]

PER_CLIENT = "10 per minute; 60 per hour"
PER_NETWORK = "40 per minute; 300 per hour"
PER_ADDRESS = "5 per minute; 30 per hour"
IN_ALL = "600 per minute"

#: Where the cookie says whose code is asked for; see `notifier.admin.access.sign_in`.
HALF_WAY = "half_way"

#: Set in `flask.g` by a page whose answer does not say by its status that a password was wrong.
WRONG = "wrong_password"


def _address() -> str:
    """A digest of the account in the form and, for a device that has signed in to it, of the device."""
    typed = request.form.get("email", "")[:1000]
    try:
        address = parse_address(typed, **current_app.config["ADDRESSES"])
    except AddressError:
        return _digest(f"{clients.client()} {typed}")
    # Known and unknown addresses are counted alike.
    return _digest(devices.known(address.identity_key) or abuse_key(address))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def _own() -> str:
    """Whose password is asked for again on a page of the account."""
    operator = login.current()
    return f"operator {operator.id if operator else 0}"


def _was_wrong(response: Response) -> bool:
    """Whether a password or code was tried and was wrong. What was right, or never looked at, uses up nothing."""
    return response.status_code == 401 or bool(g.get(WRONG))


def _half_way() -> str:
    """Whose code: a code has six digits, so tries are counted however many cookies there are."""
    half = session.get(HALF_WAY)
    if not half:
        return f"client {clients.client()}"
    return _digest(devices.known_by_key(half[0]) or f"operator {half[0]}")


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
    limiter.shared_limit(
        PER_ADDRESS, scope="sign-in-address", key_func=_address, methods=["POST"], deduct_when=_was_wrong
    ),
)
code_limits = (
    *_SHARED,
    limiter.shared_limit(
        PER_ADDRESS, scope="sign-in-code", key_func=_half_way, methods=["POST"], deduct_when=_was_wrong
    ),
)

#: For pages that ask those who are signed in for their password again: a stolen session must not guess it.
own_password_limits = (
    limiter.shared_limit(PER_ADDRESS, scope="own-password", key_func=_own, methods=["POST"], deduct_when=_was_wrong),
)


def limited(by: Sequence[Any]) -> Callable[[View], View]:
    """Put these limits on a view."""

    def wrap(view: View) -> View:
        for limit in by:
            view = limit(view)
        return view

    return wrap
