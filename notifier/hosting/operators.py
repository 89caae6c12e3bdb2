"""Ask the host who makes a request to our admin: in a request context of the host, made from the same environ."""

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask

from notifier.embedding.host import AskOperator
from notifier.hosting.mounting import HOSTS_ENVIRON
from notifier.security.identity import OperatorIdentity

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = structlog.get_logger(__name__)


def asking(app: Flask, operator: Callable[[], object]) -> AskOperator:
    """Return a function that asks `operator`, a function of the host `app`. An exception denies, and is logged."""

    def ask(environ: "WSGIEnvironment") -> OperatorIdentity | None:
        try:
            with app.request_context(_read_only(environ)):
                identity = operator()
        except Exception:
            # Any fault of the host's code must keep people out, not let them in.
            log.exception("embedding.operator_failed")
            return None
        if not identity:
            # None, or what an `and` of the host ended at, such as a column with 0.
            return None
        if not isinstance(identity, OperatorIdentity):
            log.error("embedding.operator_is_none", returned=type(identity).__name__)
            return None
        return identity

    return ask


def _read_only(environ: "WSGIEnvironment") -> dict[str, Any]:
    """Return the environ as the host would see it: a GET without a body, because ours reads the body."""
    seen: dict[str, Any] = dict(environ.get(HOSTS_ENVIRON, environ))
    seen |= {"REQUEST_METHOD": "GET", "CONTENT_LENGTH": "0", "wsgi.input": BytesIO()}
    # What Werkzeug keeps of the request for which the environ was made.
    seen.pop("werkzeug.request", None)
    return seen
