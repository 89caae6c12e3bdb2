"""Limits of the public forms belong to one application, even if a process has several."""

from collections.abc import Callable

from flask import Flask

from notifier.testing.browse import Visitor


def statuses(app: Flask) -> set[int]:
    """What 70 forms of one client within a minute are answered."""
    visitor = Visitor(app)
    fields = {"csrf_token": visitor.token("/signup"), "email": "no address"}
    return {visitor.post("/signup", fields).status_code for _ in range(70)}


def test_each_application_counts_by_its_own_settings(make_app: Callable[..., Flask]) -> None:
    limited, other = make_app(ratelimit_enabled=True), make_app(ratelimit_enabled=True)
    free = make_app(ratelimit_enabled=False)
    assert statuses(limited) == {400, 429}
    assert statuses(free) == {400}
    assert statuses(other) == {400, 429}
    assert statuses(limited) == {429}
