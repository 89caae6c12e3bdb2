"""The rate of a key is counted in shares, and all of them together are the limit."""

from collections.abc import Callable

import pytest
from flask import Flask

from notifier.api import rate
from tests.api.conftest import Api, make_key


@pytest.mark.parametrize(("limit", "share"), [(1, 1), (2, 1), (999, 1), (1000, 2), (12_345, 3), (60_000, 120)])
def test_a_share_divides_the_limit(limit: int, share: int) -> None:
    assert rate._share_of(limit) == share
    assert limit % share == 0


def test_the_store_is_asked_once_for_a_share(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    app, asked = make_app(ratelimit_enabled=True, api_requests_per_minute=2000), []
    counted = rate._counted
    monkeypatch.setattr(rate, "_counted", lambda: asked.append(1) or counted())
    api = Api(app, make_key(app, "users:read"))
    left = [api("GET", "/users").headers["RateLimit"].split(";")[1] for _ in range(5)]
    assert left == ["r=1999", "r=1998", "r=1997", "r=1996", "r=1995"]
    assert len(asked) == 2


def test_a_share_lapses_before_its_window_ends() -> None:
    kept = rate.Shares()
    kept.put(1, rate._Share(3, 10, 60.0), now=0.0)
    assert kept.take(1, 57.9) == rate._Share(2, 10, 60.0)
    assert kept.take(1, 58.0) is None


def test_a_thread_adds_its_share_to_that_of_another_one_in_the_same_window() -> None:
    kept = rate.Shares()
    kept.put(1, rate._Share(3, 10, 60.0), now=0.0)
    kept.put(1, rate._Share(3, 6, 60.0), now=1.0)
    assert kept.take(1, 2.0) == rate._Share(5, 6, 60.0)
    kept.put(1, rate._Share(3, 10, 120.0), now=61.0)
    assert kept.take(1, 62.0) == rate._Share(2, 10, 120.0)
