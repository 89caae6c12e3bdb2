"""When the public forms are answered: at fixed moments, holding nothing meanwhile."""

import time
from collections.abc import Callable

import pytest
from flask import Flask

from notifier.extensions import db
from notifier.testing.browse import Visitor
from notifier.web.answer_timing import rest_of_step


@pytest.mark.parametrize(
    ("took", "rest"), [(0.0, 0.0), (0.01, 0.09), (0.099, 0.001), (0.1, 0.0), (0.13, 0.07), (1.25, 0.05)]
)
def test_an_answer_waits_for_the_next_multiple(took: float, rest: float) -> None:
    assert rest_of_step(took, 0.1) == pytest.approx(rest)


@pytest.mark.parametrize("door", ["/signup", "/resend"])
def test_a_form_waits_after_its_commit_without_a_connection(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    app = make_app(publish=lambda keys, bulk: None, form_answer_step=0.5)
    visitor = Visitor(app)
    token = visitor.token("/signup")
    waits: list[tuple[float, int]] = []

    def sleep(seconds: float) -> None:
        waits.append((seconds, db.engine.pool.checkedout()))  # type: ignore[attr-defined]

    monkeypatch.setattr(time, "sleep", sleep)
    visitor.get("/signup")
    assert waits == []
    assert visitor.post(door, {"csrf_token": token, "email": "ada@example.com"}).status_code == 303
    assert visitor.post(door, {"csrf_token": token, "email": "no address"}).status_code == 400
    assert [held for _, held in waits] == [0, 0]
    assert all(0 < seconds <= 0.5 for seconds, _ in waits)
