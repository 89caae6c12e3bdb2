"""While Postgres is away, pages and forms answer 503 with Retry-After; a hanging server blocks no other request."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from werkzeug.routing import Rule

from notifier import clock
from notifier.app import create_app, ready
from notifier.database.outages import is_outage
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.services import services_of
from notifier.testing.browse import Visitor
from tests.support.applications import PAGES, make_settings

#: Static files, probes, metrics and webhooks (tests/web/test_inbound.py) have answers of their own.
ASKED_BY_MACHINES = {
    "web.static", "admin_assets.static", "health.healthz", "health.livez", "health.readyz", "metrics.scrape",
    "inbound.receive",
}  # fmt: skip


def away(port: int, **settings: object) -> Flask:
    """An application whose Postgres is at `port`, and nobody is."""
    app = create_app(make_settings(database_url=f"postgresql://p@127.0.0.1:{port}/x", **settings), publish=never)
    app.config["WTF_CSRF_ENABLED"] = False  # what is asked here comes after it
    app.jinja_env.bytecode_cache = PAGES
    return app


def never(keys: object, bulk: bool) -> None:
    raise AssertionError("nothing can be owed without a database")


@pytest.fixture(scope="module")
def gone() -> Flask:
    return away(free_port())


@pytest.fixture
def visitor(gone: Flask) -> Visitor:
    """Somebody whose cookie claims a session of the admin, half of another, and a typed address."""
    visitor = Visitor(gone)
    with visitor.client.session_transaction(base_url=f"http://{visitor.host}") as session:
        session["_user_id"] = "a-token"
        session["half_way"] = [1, int(clock.now().timestamp()), "/admin/", "state"]
    return visitor


def routes() -> list[tuple[str, Rule]]:
    app = away(1)
    found = [
        (method, rule) for rule in ready(app).url_map.iter_rules() for method in sorted(rule.methods & {"GET", "POST"})
    ]
    return [(method, rule) for method, rule in found if rule.endpoint not in ASKED_BY_MACHINES]


def address(app: Flask, rule: Rule) -> str:
    signer, now = services_of(app).links.signer, clock.now()
    tokens = {
        "/verify": signer.issue_verification(1, "ada@example.com", "nonce", now),
        "/u": signer.issue_unsubscribe(1, "ada@example.com", "news", 1, now),
        "/not-me": signer.issue_not_me(1, "ada@example.com", "nonce", now),
        "/preferences": signer.issue_preferences(1, "ada@example.com", 1, now),
    }
    path = rule.rule
    for prefix, token in tokens.items():
        if path.startswith(prefix + "/"):
            path = path.replace("<token>", token)
    return path.replace("<key:pk>", "1").replace("<decision>", "sent").replace("<job>", "sweep")


@pytest.mark.parametrize(("method", "rule"), routes(), ids=lambda value: getattr(value, "rule", value))
def test_every_page_and_form_says_so(gone: Flask, visitor: Visitor, method: str, rule: Rule) -> None:
    path = address(gone, rule)
    fields = {"email": "ada@example.com", "password": "a-long-one", "code": "123456", "List-Unsubscribe": "One-Click"}
    answer = visitor.get(path) if method == "GET" else visitor.post(path, fields)
    assert answer.status_code == 503, path
    assert int(answer.headers["Retry-After"]) > 0
    assert "reach our database" in answer.text
    assert "Traceback" not in answer.text


def test_an_address_of_the_admin_that_is_none_says_so(visitor: Visitor) -> None:
    assert visitor.get("/admin/nowhere").status_code == 503


def test_one_line_of_the_log_and_no_traceback(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        visitor.post("/signup", {"email": "ada@example.com"})
    (record,) = caplog.records
    assert "request.database_unavailable" in record.getMessage()
    assert "Traceback" not in record.getMessage()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A server that takes connections and never says a word. Its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def test_a_database_that_hangs_keeps_the_first_waiting_and_nobody_after(black_hole: int) -> None:
    app = away(black_hole, database_connect_timeout=2)
    visitor, waits, statuses = Visitor(app), [], []
    for _ in range(5):
        begun = time.monotonic()
        statuses.append(visitor.get("/signup").status_code)
        waits.append(time.monotonic() - begun)
    assert statuses == [503] * 5
    assert waits[0] < 4
    assert max(waits[1:]) < 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_pool_that_is_used_up_is_told_soon(make_app: Callable[..., Flask]) -> None:
    app = make_app(database_connect_timeout=2)
    with app.app_context():
        held = [db.engine.connect() for _ in range(20)]
        begun = time.monotonic()
        assert Visitor(app).get("/signup").status_code == 503
        assert time.monotonic() - begun < 4
        for connection in held:
            connection.close()
        assert Visitor(app).get("/signup").status_code == 200


@pytest.mark.parametrize("statement", ["SELECT nothing FROM notifier_users", "SELEC 1", "SELECT * FROM no_such_table"])
def test_faults_of_ours_are_no_outage(context: Flask, statement: str) -> None:
    with pytest.raises(DBAPIError) as caught:
        db.session.execute(text(statement))
    db.session.rollback()
    assert not is_outage(caught.value)


def test_a_locked_sqlite_is_an_outage(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        locked = threading.Event()
        done = threading.Event()

        def hold() -> None:
            with sqlite_app.app_context(), db.engine.begin():
                locked.set()
                done.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        assert locked.wait(10)
        with db.engine.connect() as connection:
            connection.connection.execute("PRAGMA busy_timeout = 10")
            with pytest.raises(DBAPIError) as caught:
                connection.execute(text("DELETE FROM notifier_heartbeats"))
        done.set()
        thread.join()
        assert is_outage(caught.value)
