"""Rate limits of the public forms: per client, per network, per address, and in total.

Redis holds the counts; without it each process counts for itself, so the limits never disappear.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, current_app, request

from notifier.mail.addresses import AddressError, abuse_key, parse_address
from notifier.page_extensions import limiter
from notifier.security import clients

PER_CLIENT = "60 per minute; 600 per hour"
PER_NETWORK = "300 per minute"
PER_ADDRESS = "10 per minute; 40 per hour"
IN_ALL = "3000 per minute"
PER_LINK = "20 per minute; 200 per day"


def typed_address() -> str:
    """Return a digest of the address in the form, without its tag and dots: addresses never reach Redis."""
    text = request.form.get("email", "")[:1000]
    try:
        key = abuse_key(parse_address(text, **current_app.config["ADDRESSES"]))
    except AddressError:
        key = f"{clients.client()} {text}"  # an invalid address shares no count with other clients
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def link() -> str:
    """Return a digest of the token in the address: tokens never reach Redis."""
    token = str((request.view_args or {}).get("token", ""))
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:24]


def _was_taken(response: Response) -> bool:
    """Return whether a form was accepted: refused ones must not use up the limit that all clients share."""
    return response.status_code < 400


_in_all = limiter.shared_limit(
    lambda: IN_ALL, scope="forms-all", key_func=lambda: "all", methods=["POST"], deduct_when=_was_taken
)

form_limits = [
    limiter.shared_limit(PER_CLIENT, scope="forms-client", methods=["POST"]),
    limiter.shared_limit(PER_NETWORK, scope="forms-network", key_func=clients.network, methods=["POST"]),
    limiter.shared_limit(PER_ADDRESS, scope="forms-address", key_func=typed_address, methods=["POST"]),
    _in_all,
]

#: Limits for decisions on the pages behind a link in an email. Unsubscribing has no limit: thousands of one-click posts
#: come from a few machines of one provider. It stores little all the same, because a second one changes nothing until
#: the first is undone.
link_limits = [
    limiter.shared_limit(PER_CLIENT, scope="forms-client", methods=["POST"]),
    limiter.shared_limit(PER_NETWORK, scope="forms-network", key_func=clients.network, methods=["POST"]),
    limiter.shared_limit(PER_LINK, scope="forms-link", key_func=link, methods=["POST"]),
    _in_all,
]


def limited_link(view: Callable[..., Any]) -> Callable[..., Any]:
    """Apply the limits of pages behind a link to a view."""
    for limit in link_limits:
        view = limit(view)
    return view
