"""Error pages: plain words, the next step, nothing about the internals."""

import math
from collections.abc import Iterator
from contextlib import suppress

import structlog
from flask import Flask, make_response, render_template, request
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError, TooManyRequests
from werkzeug.wrappers import Response

from notifier import clock, english
from notifier.database.outages import is_outage
from notifier.extensions import db
from notifier.observability import logs
from notifier.page_extensions import limiter

log = structlog.get_logger(__name__)

#: Seconds after which a client may try again while the database is unreachable.
RETRY_AFTER_SECONDS = 10

DATABASE_UNREACHABLE = (
    "We can't reach our database right now. Your last change may not have been saved. Please try again in a moment."
)


def handle(error: HTTPException) -> tuple[str, int] | Response:
    """Return the page for an HTTP error."""
    response = error.get_response()
    code = error.code or 500
    if code < 400 or isinstance(error, SecurityError):
        # A router's redirect is no error; and for a host that is not ours no page can be built.
        return response
    retry_after = _retry_after(code)
    explanation = getattr(error, "for_people", None)
    try:
        page = _page(code, retry_after, explanation)
    except SQLAlchemyError as failure:
        # Admin pages query who is signed in.
        return handle_outage(failure)
    response.set_data(page)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    response.content_type = "text/html; charset=utf-8"
    return response


def _page(code: int, retry_after: int | None, explanation: str | None) -> str:
    wait = retry_after and english.at_most(retry_after)
    return render_template(_template(), code=code, wait=wait, explanation=explanation)


def _retry_after(code: int) -> int | None:
    """Return the seconds until the exceeded limit admits the visitor again. The header itself is added later."""
    if code != TooManyRequests.code or limiter.current_limit is None:
        return None
    return max(1, math.ceil(limiter.current_limit.reset_at - clock.now().timestamp()))


def handle_outage(error: BaseException) -> Response:
    """Answer 503 if the database is unreachable. Any other database error is a fault of ours and is raised again."""
    if not is_outage(error):
        raise error
    with suppress(SQLAlchemyError):  # the connection may be what broke
        db.session.rollback()
    cause = getattr(error, "orig", None) or error
    log.error("request.database_unavailable", endpoint=request.endpoint, error=type(cause).__name__)
    page = _page(503, RETRY_AFTER_SECONDS, DATABASE_UNREACHABLE)
    response = make_response(page, 503)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def handle_crash(error: InternalServerError) -> tuple[str, int] | Response:
    """Log an internal error with its traceback, and show a page without it."""
    original: BaseException | None = getattr(error, "original_exception", None)
    if original is not None and is_outage(original):
        return handle_outage(original)
    db.session.rollback()
    with logs.private(_typed()):
        log.error("request.crashed", endpoint=request.endpoint, exc_info=original or error)
    return _page(500, None, None), 500


def _typed() -> Iterator[str]:
    """Yield the values of this request: an error may repeat them, and they may be a name, a password or a token."""
    yield from (str(value) for value in (request.view_args or {}).values())
    yield from request.values.values()


def _template() -> str:
    """Return the template: operators stay in the admin's layout."""
    return "admin/error.html" if request.path.startswith("/admin") else "web/error.html"


def _log_nothing(_exc_info: object) -> None:
    """Replace Flask's own line, whose path may hold a token. `handle_crash` logs the endpoint."""


def init_app(app: Flask) -> None:
    """Show these pages for every error of `app`."""
    app.log_exception = _log_nothing  # type: ignore[assignment, method-assign]
    app.register_error_handler(HTTPException, handle)
    app.register_error_handler(InternalServerError, handle_crash)
    app.register_error_handler(DBAPIError, handle_outage)
    app.register_error_handler(PoolTimeoutError, handle_outage)
