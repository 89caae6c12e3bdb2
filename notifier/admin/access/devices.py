"""Devices that have signed in before: they keep a budget of tries of their own.

Strangers who try passwords for an account use up the account's budget, and without this they would keep its operator
out. The cookie proves only that this browser once signed in to this account; it opens nothing by itself.
"""

import hashlib

from flask import Flask, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from notifier.models import Operator

#: Seconds for which a browser keeps it: half a year.
LIFE = 180 * 24 * 3600

_SALT = "notifier.device"


def cookie_name(app: Flask) -> str:
    """Return the name of the cookie, beside that of the session and with its prefix: no other host may set either."""
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


def _held() -> tuple[str | None, int | None, str]:
    """What the cookie of this browser says: identity key, primary key and fingerprint."""
    try:
        whose, pk, proof = _serializer().loads(request.cookies.get(cookie_name(current_app), ""))
    except (BadSignature, ValueError, TypeError):
        return None, None, ""
    return whose, pk, proof


def fingerprint(operator: Operator) -> str:
    """A digest of the account's password and second factor: when one of them changes, it is another one."""
    secrets = f"{operator.password_hash}\n{operator.totp_secret}".encode()
    return hashlib.sha256(secrets).hexdigest()[:32]


def _serializer() -> URLSafeSerializer:
    keys = [*(current_app.config["SECRET_KEY_FALLBACKS"] or []), current_app.config["SECRET_KEY"]]
    return URLSafeSerializer(keys, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})
