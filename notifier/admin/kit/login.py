"""Who is signed in. The cookie holds a token; the row of its session says what it is worth."""

import structlog
from flask import Flask, g, has_request_context, request, session
from flask_login import LoginManager, current_user, login_user
from sqlalchemy.exc import DBAPIError

from notifier import clock
from notifier.database.outages import is_outage
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.models import Operator, Role
from notifier.operators import audit_log, sessions
from notifier.operators.audit_log import Actor
from notifier.security import clients

log = structlog.get_logger(__name__)

#: Where Flask-Login keeps what `get_id` gives.
_COOKIE_KEY = "_user_id"

#: What a page fetches by itself says so: it is no sign of a person.
POLL_HEADER = "X-Poll"

#: The actor of what happens before a sign-in.
NOT_SIGNED_IN = "not signed in"

_RANKS = {role.value: rank for rank, role in enumerate((Role.viewer, Role.editor, Role.admin))}


class SignedIn:
    """An operator with a live session, as Flask-Login wants to see it."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, operator: Operator, token: str) -> None:
        self.operator = operator
        self.token = token

    def get_id(self) -> str:
        """What goes into the cookie: the token, never the key of an operator."""
        return self.token


def init_app(app: Flask) -> None:
    """Let Flask-Login ask here who is signed in."""
    manager = LoginManager()
    # Sessions are rows here; Flask-Login's own protection would only bind them to addresses that change.
    manager.session_protection = None
    manager.user_loader(_resume)
    manager.init_app(app, add_context_processor=False)


def _resume(token: str) -> SignedIn | None:
    found = sessions.resume(db.session(), token, now=clock.now())
    if found is None:
        return None
    operator, stale = found
    if stale and not is_poll():
        _touch(token)
    return SignedIn(operator, token)


def _touch(token: str) -> None:
    """Note that a person was here; the next page does it where the database is busy."""
    try:
        with writing(db.session, patient=False) as current:
            sessions.touch(current, token, now=clock.now())
    except DBAPIError as error:
        if not is_outage(error):
            raise
        log.warning("admin.session_not_touched", error=type(error).__name__)


def is_poll() -> bool:
    """Whether a page asks by itself."""
    return POLL_HEADER in request.headers


def current() -> Operator | None:
    """The operator who is signed in; None for anybody else."""
    if not has_request_context() or not current_user.is_authenticated:
        return None
    operator: Operator = current_user.operator
    return operator


def token() -> str:
    """The token of this session. Only for those who are signed in."""
    held: str = current_user.token
    return held


def was_signed_in() -> bool:
    """The cookie claims a session; whether there is one is another question."""
    return _COOKIE_KEY in session


def may(role: Role) -> bool:
    """Whether whoever asks is signed in with this role or a higher one."""
    operator = current()
    return operator is not None and _RANKS.get(operator.role, -1) >= _RANKS[role.value]


def actor() -> Actor:
    """Return the operator who asks, for the audit log."""
    operator = current()
    if operator is None:
        return Actor(NOT_SIGNED_IN, ip=clients.address())
    return audit_log.operator(operator, clients.address())


def sign_in(operator: Operator, how: str) -> None:
    """Begin a session with a cookie of its own: what was in the old one, the CSRF token too, is gone."""
    by = audit_log.operator(operator, clients.address())
    held = sessions.start(db.session(), operator, by=by, now=clock.now(), how=how)
    db.session.commit()
    forget()
    login_user(SignedIn(operator, held))


def sign_out() -> None:
    """End this session, here and on the server."""
    if current() is not None:
        sessions.end(db.session(), token(), by=actor())
        db.session.commit()
    forget()


def forget() -> None:
    """Begin with an empty cookie."""
    session.clear()
    for name in ("csrf_token", "_login_user"):
        if name in g:
            g.pop(name)
