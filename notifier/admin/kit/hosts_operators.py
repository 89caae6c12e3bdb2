"""Operators whom the application that embeds us names: for one request, without a session or a password of ours.

Our own cookie holds the CSRF token all the same. It belongs to the operator for whom it was made: a cookie that a
stranger planted in the browser, whose token they know, is of no use to them.
"""

from flask import request, session

from notifier.security.identity import OperatorIdentity
from notifier.services import services

#: Session key of the id of the operator to whom our cookie belongs.
_OWNER = "host_operator"

#: The key in an environ under which it has the answer. Not in `flask.g`, which may outlive a request.
_ANSWER = "notifier.operator"


def decide() -> bool:
    """Return whether the application that embeds us decides who the operators are."""
    return services().ask_operator is not None


def identity() -> OperatorIdentity | None:
    """Return who makes this request, as the application says. It is asked once per request."""
    ask, environ = services().ask_operator, request.environ
    if ask is None:
        return None
    if _ANSWER not in environ:
        environ[_ANSWER] = ask(environ)
    answer: OperatorIdentity | None = environ[_ANSWER]
    return answer


def has_cookie() -> bool:
    """Return whether our cookie belongs to any operator of the application, such as one who has just signed out."""
    return _OWNER in session


def owns_cookie(who: OperatorIdentity) -> bool:
    """Return whether our cookie, with its CSRF token, belongs to this operator."""
    return session.get(_OWNER) == who.id


def give_cookie(who: OperatorIdentity) -> None:
    """Let our cookie, which must be empty, belong to this operator."""
    session[_OWNER] = who.id
