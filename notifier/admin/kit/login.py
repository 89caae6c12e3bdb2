"""Who is signed in: one of our operators, or a person whom the application that embeds us names.

For our own, the cookie holds a token, and the row of its session says whether it is valid.
"""

from dataclasses import dataclass

import structlog
from flask import Flask, current_app, g, has_request_context, request, session
from flask_login import LoginManager, current_user, login_user
from sqlalchemy.exc import DBAPIError

from notifier import clock
from notifier.admin.kit import hosts_operators
from notifier.database.outages import is_outage
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Operator, Role
from notifier.operators import audit_log, sessions
from notifier.operators.audit_log import Actor
from notifier.security import clients
from notifier.security.identity import OperatorIdentity
from notifier.services import services_of

log = structlog.get_logger(__name__)

#: The key under which Flask-Login stores the result of `get_id`.
_COOKIE_KEY = "_user_id"

#: Sent with requests that a page makes by itself, which do not show that a person is there.
POLL_HEADER = "X-Poll"

#: The actor of events before a sign-in.
NOT_SIGNED_IN = "not signed in"

_RANKS = {role.value: rank for rank, role in enumerate((Role.viewer, Role.editor, Role.admin))}


class SignedIn:
    """An operator with a live session, in the form that Flask-Login expects."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, operator: Operator, token: str) -> None:
        self.operator = operator
        self.token = token

    def get_id(self) -> str:
        """Return the value for the cookie: the token, never the key of an operator."""
        return self.token


@dataclass(frozen=True, slots=True)
class Current:
    """The operator who makes this request."""

    role: str
    #: The text for pages: the address, or what the embedding application calls this person.
    shown: str
    #: The address for test emails; empty if it is not known.
    address: str
    #: Who stands in the audit log.
    actor: Actor
    #: The row, of one of our operators.
    own: Operator | None = None


def init_app(app: Flask) -> None:
    """Let Flask-Login find the signed-in operator here. Operators of an embedding application do without."""
    if services_of(app).ask_operator is not None:
        return
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
    """Record that a person was here; if the database is busy, the next page does it."""
    try:
        with writing(db.session, patient=False) as current:
            sessions.touch(current, token, now=clock.now())
    except DBAPIError as error:
        if not is_outage(error):
            raise
        log.warning("admin.session_not_touched", error=type(error).__name__)


def is_poll() -> bool:
    """Return whether a page makes this request by itself."""
    return POLL_HEADER in request.headers


def current() -> Current | None:
    """Return the operator who makes this request; None if there is none."""
    if not has_request_context():
        return None
    if hosts_operators.decide():
        identity = hosts_operators.identity()
        return None if identity is None else _named(identity)
    operator = own()
    if operator is None:
        return None
    actor = audit_log.operator(operator, clients.address())
    return Current(operator.role, operator.email, operator.email, actor, operator)


def own() -> Operator | None:
    """Return the operator of ours who is signed in; None if there is none."""
    if not has_request_context() or hosts_operators.decide() or not current_user.is_authenticated:
        return None
    operator: Operator = current_user.operator
    return operator


def _named(identity: OperatorIdentity) -> Current:
    """Return the operator whom the embedding application names. Their label is shown, and never stored."""
    try:
        address = parse_address(identity.label, **current_app.config["ADDRESSES"]).envelope
    except AddressError:
        address = ""
    actor = Actor(identity.id, ip=clients.address())
    return Current(identity.role, identity.label or identity.id, address, actor)


def token() -> str:
    """Return the token of this session. Call it only if an operator is signed in."""
    held: str = current_user.token
    return held


def was_signed_in() -> bool:
    """Return whether the cookie claims a session, valid or not."""
    return _COOKIE_KEY in session or hosts_operators.has_cookie()


def held_token() -> str:
    """Return the token that the cookie holds, valid or not; empty without one."""
    return str(session.get(_COOKIE_KEY, ""))


def suffices(has: str, role: Role) -> bool:
    """Return whether an operator with the role `has` may do what needs `role`."""
    return _RANKS.get(has, -1) >= _RANKS[role.value]


def may(role: Role) -> bool:
    """Return whether an operator with this role or a higher one is signed in."""
    operator = current()
    return operator is not None and suffices(operator.role, role)


def actor() -> Actor:
    """Return the operator who makes this request, for the audit log."""
    operator = current()
    return Actor(NOT_SIGNED_IN, ip=clients.address()) if operator is None else operator.actor


def claim_cookie() -> bool:
    """Let our cookie belong to the operator whom the embedding application names.

    Return False if it did not: then it was emptied, and its CSRF token is void. An operator of ours got a new cookie
    with the sign-in.
    """
    identity = hosts_operators.identity()
    if identity is None or hosts_operators.owns_cookie(identity):
        return True
    forget()
    hosts_operators.give_cookie(identity)
    return False


def sign_in(operator: Operator, how: str) -> None:
    """Start a session with a new cookie: the contents of the old one, including the CSRF token, are dropped."""
    by = audit_log.operator(operator, clients.address())
    held = sessions.start(db.session(), operator, by=by, now=clock.now(), how=how)
    db.session.commit()
    forget()
    login_user(SignedIn(operator, held))


def sign_out() -> None:
    """End this session, here and on the server."""
    if own() is not None:
        sessions.end(db.session(), token(), by=actor())
        db.session.commit()
    forget()


def forget() -> None:
    """Empty the cookie."""
    session.clear()
    for name in ("csrf_token", "_login_user"):
        if name in g:
            g.pop(name)
