"""The rate of requests of one key, and the headers that tell of it (draft-ietf-httpapi-ratelimit-headers-10).

Asking the shared store for each request would take longer than the request. So a process takes a share of the key's
requests at once, at most one of `_SHARES`, and counts them itself. All shares together are the limit: never more gets
through, and a process may be refused while another one has a part of its share left.
"""

import math
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, NamedTuple

from flask import Flask, Response, g
from werkzeug.exceptions import TooManyRequests

from notifier import clock
from notifier.api.problems import RATE_LIMITED, Problem
from notifier.api.requests import caller
from notifier.page_extensions import limiter
from notifier.services import services

#: Seconds in which requests are counted.
WINDOW_SECONDS = 60

#: Parts of the limit of which a process takes one at once. A limit below it is counted request by request.
_SHARES: Final = 500

#: Seconds before the end of its window at which a share lapses: the store tells that moment in whole seconds.
_MARGIN: Final = 2

_POLICY: Final = "key"
_STANDING: Final = "api_rate"


class _Standing(NamedTuple):
    """What the headers tell."""

    limit: int
    remaining: int
    #: Seconds since the epoch.
    reset_at: float


@dataclass(slots=True)
class _Share:
    """Requests of one key that were counted in the shared store, and not made yet."""

    left: int
    #: Requests that no process had taken when this share was.
    remaining: int
    reset_at: float


@dataclass(slots=True)
class Shares:
    """The shares of one application in this process."""

    by_key: MutableMapping[int, _Share] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def take(self, key_id: int, now: float) -> _Share | None:
        """Return the share after this request was taken from it, as it is now. None: there is none left."""
        with self.lock:
            share = self.by_key.get(key_id)
            if share is None or share.left == 0 or now >= share.reset_at - _MARGIN:
                return None
            share.left -= 1
            return _Share(share.left, share.remaining, share.reset_at)

    def put(self, key_id: int, new: _Share, now: float) -> None:
        """Keep a share, with what another thread has left of its own in the same window."""
        with self.lock:
            old = self.by_key.get(key_id)
            if old is not None and now < old.reset_at - _MARGIN:
                new.left += old.left
            self.by_key[key_id] = new


def init_app(app: Flask) -> None:
    """Count the requests of `app`, and tell its clients how many are left."""
    limiter.init_app(app)
    app.after_request(_tell)


def count(shares: Shares) -> None:
    """Count this request for its key. Raise Problem if it is one too many."""
    key_id, now, limit = caller().key_id, clock.now().timestamp(), services().settings.api_requests_per_minute
    share = shares.take(key_id, now)
    if share is None:
        try:
            _counted()
        except TooManyRequests:
            _stand(0)
            raise Problem(RATE_LIMITED, retry_after=_seconds_left()) from None
        current = limiter.current_limit
        if current is None:
            return  # limits are off
        share = _Share(_share_of(limit) - 1, max(0, current.remaining), current.reset_at)
        shares.put(key_id, share, now)
    setattr(g, _STANDING, _Standing(limit, share.remaining + share.left, share.reset_at))


def _share_of(limit: int) -> int:
    """Return how many requests a process takes at once. It divides the limit: no part of that remains untaken."""
    return math.gcd(limit, max(1, limit // _SHARES))


@limiter.shared_limit(
    lambda: f"{services().settings.api_requests_per_minute} per minute",
    scope="api",
    key_func=lambda: str(caller().key_id),
    cost=lambda: _share_of(services().settings.api_requests_per_minute),
)
def _counted() -> None:
    """Do nothing: the limit is counted before."""


def _stand(remaining: int) -> None:
    current = limiter.current_limit
    if current is not None:
        setattr(g, _STANDING, _Standing(current.limit.amount, remaining, current.reset_at))


def _seconds_left() -> int:
    standing: _Standing | None = g.get(_STANDING)
    if standing is None:
        return WINDOW_SECONDS
    # The window began up to a second before the limiter looked at its clock.
    return min(WINDOW_SECONDS, max(1, math.ceil(standing.reset_at - clock.now().timestamp())))


def _tell(response: Response) -> Response:
    standing: _Standing | None = g.get(_STANDING)
    if standing is not None:
        response.headers["RateLimit-Policy"] = f'"{_POLICY}";q={standing.limit};w={WINDOW_SECONDS}'
        response.headers["RateLimit"] = f'"{_POLICY}";r={standing.remaining};t={_seconds_left()}'
    return response
