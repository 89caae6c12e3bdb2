"""/metrics, /livez and /readyz: who may read them, by which host, and what each of them asks."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from notifier.extensions import db
from notifier.services import services_of
from notifier.testing.browse import Visitor

TOKEN = "a-token-that-is-long-enough"


def away(*_: object, **__: object) -> None:
    raise OperationalError("SELECT 1", {}, ConnectionRefusedError())


def test_a_token_opens_the_metrics_and_nothing_else_does(make_app: Callable[..., Flask]) -> None:
    client = make_app(metrics_token=TOKEN).test_client()
    for given in (None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00e9"):
        answer = client.get("/metrics", headers={"Authorization": given} if given else {})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="notifier"')
        assert b"notifier_due" not in answer.data
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert b'notifier_due{queue="transactional"} 0.0' in answer.data
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_a_token_they_are_open_in_development_alone(sqlite_app: Flask) -> None:
    assert sqlite_app.test_client().get("/metrics").status_code == 200
    settings = services_of(sqlite_app).settings
    object.__setattr__(settings, "notifier_env", "production")
    try:
        assert sqlite_app.test_client().get("/metrics").status_code == 404
    finally:
        object.__setattr__(settings, "notifier_env", "test")


def test_without_a_database_metrics_are_503_and_say_so(sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_of(sqlite_app).exposition, "render", away)
    answer = sqlite_app.test_client().get("/metrics")
    assert (answer.status_code, answer.data) == (503, b"the database does not answer\n")


def test_livez_asks_the_process_alone_and_readyz_the_database(
    sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(sqlite_app)
    ready = visitor.get("/readyz")
    assert (ready.status_code, ready.json) == (
        200, {"status": "ok", "database": "ok", "schema": "ok", "settings": "ok"},
    )  # fmt: skip
    monkeypatch.setattr(db.session, "connection", away)
    assert visitor.get("/readyz").status_code == 503
    live = visitor.get("/livez")
    assert (live.status_code, live.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "pod-7.internal", "", None])
def test_they_answer_whatever_host_they_are_asked_by(sqlite_app: Flask, path: str, host: str | None) -> None:
    environ = {"HTTP_HOST": host} if host is not None else {"SERVER_NAME": "0.0.0.0"}
    answer = sqlite_app.test_client().get(path, environ_overrides=environ)
    assert answer.status_code == 200
    assert b"pod-7" not in answer.data
