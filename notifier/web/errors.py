"""Error pages: plain words, the next step, nothing about the inside."""

import math

import structlog
from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError, TooManyRequests
from werkzeug.wrappers import Response

from notifier import clock
from notifier.extensions import db, limiter

log = structlog.get_logger(__name__)


def handle(error: HTTPException) -> tuple[str, int] | Response:
    """The page for anything that HTTP has a number for."""
    response = error.get_response()
    code = error.code or 500
    if code < 400 or isinstance(error, SecurityError):
        # A redirect of the router is no error; and for a host that is not ours no page can be built.
        return response
    retry_after = _retry_after(code)
    explanation = getattr(error, "for_people", None)
    page = render_template(_template(), code=code, retry_after=retry_after, explanation=explanation)
    response.set_data(page)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    response.content_type = "text/html; charset=utf-8"
    return response


def _retry_after(code: int) -> int | None:
    """Seconds until the limit that was hit lets the visitor in again. The header itself comes later."""
    if code != TooManyRequests.code or limiter.current_limit is None:
        return None
    return max(1, math.ceil(limiter.current_limit.reset_at - clock.now().timestamp()))


def handle_crash(error: InternalServerError) -> tuple[str, int]:
    """A fault of ours: logged with its traceback, shown without."""
    db.session.rollback()
    original = getattr(error, "original_exception", None)
    log.error("request.crashed", endpoint=request.endpoint, exc_info=original or error)
    return render_template(_template(), code=500, retry_after=None, explanation=None), 500


def _template() -> str:
    """Operators stay in the surroundings that they know."""
    return "admin/error.html" if request.path.startswith("/admin") else "web/error.html"


def init_app(app: Flask) -> None:
    """Show these pages for every error of `app`."""
    app.register_error_handler(HTTPException, handle)
    app.register_error_handler(InternalServerError, handle_crash)
