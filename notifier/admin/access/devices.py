"""Devices that have signed in before, which have their own limit of attempts.

Strangers who try passwords use up the account's limit, and without this they would lock its operator out. The cookie
proves only that this browser once signed in to this account; it grants nothing by itself.
"""

import hashlib

from flask import Flask, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from notifier.models import Operator

#: Seconds for which a browser keeps the cookie: half a year.
LIFE = 180 * 24 * 3600

_SALT = "notifier.device"


def cookie_name(app: Flask) -> str:
    """Return the cookie's name, with the session cookie's prefix: no other host may set either."""
    return f"{app.config['SESSION_COOKIE_NAME']}-device"


def remember(response: Response, operator: Operator) -> Response:
    """Mark this browser as one that signed in to the account of `operator`."""
    config = current_app.config
    response.set_cookie(
        cookie_name(current_app),
        _serializer().dumps([operator.identity_key, operator.id, fingerprint(operator)]),
        max_age=LIFE,
        secure=config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
        path=config["SESSION_COOKIE_PATH"] or "/",
    )
    return response


def known(identity_key: str) -> str | None:
    """Return a key for this browser if it has signed in to the account with `identity_key` before; else None."""
    whose, _, proof = _held()
    return f"device {whose} {proof}" if whose == identity_key else None


def known_by_key(operator_id: int) -> str | None:
    """Return the same for the account with this primary key."""
    whose, pk, proof = _held()
    return f"device {whose} {proof}" if pk == operator_id else None


def owner() -> int | None:
    """Return the primary key of the account that this browser has signed in to last."""
    return _held()[1]


def _held() -> tuple[str | None, int | None, str]:
    """Return identity key, primary key and fingerprint from this browser's cookie."""
    try:
        whose, pk, proof = _serializer().loads(request.cookies.get(cookie_name(current_app), ""))
    except (BadSignature, ValueError, TypeError):
        return None, None, ""
    return whose, pk, proof


def fingerprint(operator: Operator) -> str:
    """Return a digest of the account's password and second factor, which changes with either of them."""
    secrets = f"{operator.password_hash}\n{operator.totp_secret}".encode()
    return hashlib.sha256(secrets).hexdigest()[:32]


def _serializer() -> URLSafeSerializer:
    keys = [*(current_app.config["SECRET_KEY_FALLBACKS"] or []), current_app.config["SECRET_KEY"]]
    return URLSafeSerializer(keys, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})
