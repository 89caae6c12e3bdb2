"""Every error of the API as a problem: refusals, what Flask refuses, crashes, and a database that is away."""

from contextlib import suppress
from typing import Final

import structlog
from flask import Flask, Response, json, request
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError

from notifier.api.problems import (
    BAD_REQUEST,
    INTERNAL,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    Problem,
    body_of,
)
from notifier.api.requests import base, request_id
from notifier.database.outages import is_outage
from notifier.extensions import db
from notifier.observability import logs

log = structlog.get_logger(__name__)

#: Seconds after which a client may try again while the database is unreachable.
RETRY_AFTER_SECONDS: Final = 10

#: What Flask and Werkzeug refuse by themselves. All else of theirs is a request that cannot be read.
_BY_STATUS: Final = {kind.status: kind for kind in (NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE)}


def init_app(app: Flask) -> None:
    """Answer every error of `app` with a problem."""
    app.log_exception = _log_nothing  # type: ignore[assignment, method-assign]
    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(InternalServerError, _crash)
    app.register_error_handler(DBAPIError, _outage)
    app.register_error_handler(PoolTimeoutError, _outage)


def answer(problem: Problem) -> Response:
    """Build the answer of a problem."""
    with suppress(SQLAlchemyError):  # the connection may be what broke
        db.session.rollback()
    response = Response(json.dumps(body_of(problem, base(), request_id())), problem.kind.status)
    response.content_type = MEDIA_TYPE
    response.headers.update(problem.headers)
    return response


def _http(error: HTTPException) -> Response:
    kind = _BY_STATUS.get(error.code or 0, BAD_REQUEST)
    return answer(Problem(kind, headers={name: value for name, value in error.get_headers() if name == "Allow"}))


def _outage(error: SQLAlchemyError) -> Response:
    """Answer 503 if the database is unreachable. Any other error of it is a fault of ours and is raised again."""
    if not is_outage(error):
        raise error
    cause = getattr(error, "orig", None) or error
    log.error("api.database_unavailable", endpoint=request.endpoint, error=type(cause).__name__)
    return answer(Problem(UNAVAILABLE, retry_after=RETRY_AFTER_SECONDS))


def _crash(error: InternalServerError) -> Response:
    """Log an internal error with its traceback; the answer has only the id under which the log has it."""
    original: BaseException | None = getattr(error, "original_exception", None)
    if isinstance(original, SQLAlchemyError) and is_outage(original):
        return _outage(original)
    with logs.private([*map(str, (request.view_args or {}).values()), *request.args.values()]):
        log.error("api.crashed", endpoint=request.endpoint, request_id=request_id(), exc_info=original or error)
    return answer(Problem(INTERNAL))


def _log_nothing(_exc_info: object) -> None:
    """Replace Flask's own line, whose path holds the id of a person. `_crash` logs the endpoint."""
