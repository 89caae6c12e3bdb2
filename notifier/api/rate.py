"""The rate of requests of one key, and the headers that tell of it (draft-ietf-httpapi-ratelimit-headers-10)."""

import math

from flask import Flask, Response
from werkzeug.exceptions import TooManyRequests

from notifier import clock
from notifier.api.problems import RATE_LIMITED, Problem
from notifier.api.requests import caller, caller_or_none
from notifier.extensions import limiter
from notifier.services import services

#: Seconds in which requests are counted.
WINDOW_SECONDS = 60

_POLICY = "key"


def init_app(app: Flask) -> None:
    """Count the requests of `app`, and tell its clients how many are left."""
    limiter.init_app(app)
    app.after_request(_tell)


def count() -> None:
    """Count this request for its key. Raise Problem if it is one too many."""
    try:
        _counted()
    except TooManyRequests:
        raise Problem(RATE_LIMITED, retry_after=_seconds_left()) from None


@limiter.shared_limit(
    lambda: f"{services().settings.api_requests_per_minute} per minute",
    scope="api",
    key_func=lambda: str(caller().key_id),
)
def _counted() -> None:
    """Do nothing: the limit is counted before."""


def _seconds_left() -> int:
    current = limiter.current_limit
    if current is None:
        return WINDOW_SECONDS
    # The window began up to a second before the limiter looked at its clock.
    return min(WINDOW_SECONDS, max(1, math.ceil(current.reset_at - clock.now().timestamp())))


def _tell(response: Response) -> Response:
    current = limiter.current_limit
    if current is not None and caller_or_none() is not None:
        response.headers["RateLimit-Policy"] = f'"{_POLICY}";q={current.limit.amount};w={WINDOW_SECONDS}'
        response.headers["RateLimit"] = f'"{_POLICY}";r={max(0, current.remaining)};t={_seconds_left()}'
    return response
