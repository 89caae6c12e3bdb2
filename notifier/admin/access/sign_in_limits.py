"""Rate limits of signing in: per client, per network, per account, and in total.

Wrong passwords and codes count per network and per account, and slow both. A device that has signed in before has a
limit of its own, so strangers cannot lock its operator out. As with the public forms, Redis holds the counts, and each
process counts for itself while Redis is unreachable.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, current_app, g, request, session
from flask.typing import ResponseReturnValue

from notifier.admin.access import devices
from notifier.admin.kit import login
from notifier.mail.addresses import AddressError, abuse_key, parse_address
from notifier.page_extensions import limiter
from notifier.security import clients

View = Callable[..., ResponseReturnValue]

PER_CLIENT = "10 per minute; 60 per hour"
PER_NETWORK = "40 per minute; 300 per hour"
PER_ADDRESS = "5 per minute; 30 per hour"
IN_ALL = "600 per minute"
#: Invitations and resets that one operator sends.
EMAILS = "10 per minute; 60 per hour"

#: Session key of the operator whose code is asked for; see `notifier.admin.access.sign_in`.
HALF_WAY = "half_way"

#: Set in `flask.g` by a page whose status does not show that a password was wrong.
WRONG = "wrong_password"


def _address() -> str:
    """Return a digest of the account in the form or, for a device that has signed in to it, of the device."""
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
    """Return the key of the operator whose password an account page asks for again."""
    operator = login.own()
    return f"operator {operator.id if operator else 0}"


def _link() -> str:
    """Return a digest of the token in the address: only its owner uses up its limit."""
    return _digest(f"link {(request.view_args or {}).get('token', '')}")


def _was_wrong(response: Response) -> bool:
    """Return whether a password or code was checked and was wrong. Only those use up the limit."""
    return response.status_code == 401 or bool(g.get(WRONG))


def _half_way() -> str:
    """Return the key of the operator whose code is asked for.

    A code has only six digits, so attempts count across all cookies.
    """
    half = session.get(HALF_WAY)
    if not half:
        return f"client {clients.client()}"
    return _digest(devices.known_by_key(half[0]) or f"operator {half[0]}")


def _was_a_try(response: Response) -> bool:
    """Return whether a password or code was checked.

    Refused requests must not use up the limit that all clients share.
    """
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

#: For pages that ask an operator for the password again: a stolen session must not guess it.
own_password_limits = (
    limiter.shared_limit(PER_ADDRESS, scope="own-password", key_func=_own, methods=["POST"], deduct_when=_was_wrong),
)

#: For links of invitations and resets. A link of a second factor asks for the password.
link_limits = (
    *_SHARED,
    limiter.shared_limit(PER_ADDRESS, scope="operator-link", key_func=_link, methods=["POST"], deduct_when=_was_wrong),
)

#: For emails that an admin sends to operators: a stolen session must not fill mailboxes.
sending_limits = (limiter.shared_limit(EMAILS, scope="operator-emails", key_func=_own, methods=["POST"]),)


def limited(by: Sequence[Any]) -> Callable[[View], View]:
    """Apply these limits to a view."""

    def wrap(view: View) -> View:
        for limit in by:
            view = limit(view)
        return view

    return wrap
