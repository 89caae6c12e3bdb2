"""SQLite: what only reads takes no lock and waits for none; what writes waits for its turn and never fails of it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from notifier import clock
from notifier.admin.kit import exports
from notifier.app import ready
from notifier.consent import suppressions
from notifier.database import sqlite
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.models import Heartbeat, OperatorSession, Role, SuppressionReason, User
from notifier.operators import roster
from notifier.testing.browse import Visitor
from notifier.testing.operators import PASSWORD, Desk
from tests.support import quick
from tests.support.applications import NOON, make_owed, make_user
from tests.support.campaigns import make_campaign, start_run

T = TypeVar("T")

#: Files have no rows.
NOT_HERE = {"web.static", "admin_assets.static"}


@pytest.fixture
def app(sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Nobody waits for the lock for long: whoever needs it fails."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 100)
    monkeypatch.setattr(roster, "_hasher", roster.PasswordHasher(1, 8, 1))
    roster._no_password.cache_clear()
    with sqlite_app.app_context():
        db.engine.dispose()
        roster.create(db.session(), email="admin@example.com", password=PASSWORD, role=Role.admin)
        for number in range(1, 6):
            suppressions.add(
                db.session(), f"s{number}@example.com", reason=SuppressionReason.manual, source="test", evidence=""
            )
            make_owed(number)
        start_run(make_campaign())
    return sqlite_app


@pytest.fixture
def desk(app: Flask) -> Desk:
    desk = Desk(app)
    assert desk.sign_in("admin@example.com").status_code == 303
    return desk


@contextmanager
def locked(app: Flask) -> Iterator[None]:
    """Somebody is writing."""
    with app.app_context():
        path = Path(str(db.engine.url.database))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def elsewhere(work: Callable[[], T]) -> T:
    """Do this in another thread: a download that is under way keeps its request in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def held(app: Flask) -> int:
    """Connections that somebody uses right now."""
    with app.app_context():
        return int(db.engine.pool.checkedout())  # type: ignore[attr-defined]


def joins(app: Flask, address: str) -> None:
    with app.app_context():
        make_user(address)


def pages(app: Flask) -> list[str]:
    rules = [
        rule for rule in ready(app).url_map.iter_rules() if "GET" in rule.methods and rule.endpoint not in NOT_HERE
    ]
    # An export leaves an entry in the audit log first.
    found = [rule.rule for rule in rules if not rule.rule.endswith(".csv")]
    return [path.replace("<key:pk>", "1").replace("<decision>", "sent").replace("<token>", "x") for path in found]


def test_every_page_answers_while_somebody_writes(app: Flask, desk: Desk) -> None:
    with app.app_context():  # so that each page would like to note that a person was here
        db.session.execute(update(OperatorSession).values(seen_at=clock.now() - timedelta(minutes=5)))
        db.session.commit()
    with locked(app):
        answers = {path: desk.get(path).status_code for path in pages(app)}
    assert {path: status for path, status in answers.items() if status >= 500} == {}
    assert sum(status == 200 for status in answers.values()) > 25


@pytest.mark.parametrize("name", ["people", "notifications", "audit", "suppressions"])
def test_a_slow_download_holds_neither_the_lock_nor_a_connection(
    app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 2)
    answer = desk.get(f"/admin/{name}/export.csv", buffered=False)
    rows = answer.iter_encoded()
    next(rows)
    assert elsewhere(lambda: held(app)) == 0
    assert elsewhere(lambda: Visitor(app).sign_up("ada@example.com").status_code) == 303
    assert list(rows)
    answer.close()


def test_an_export_that_people_join_has_each_row_once_and_ends(
    app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 2)
    with app.app_context():
        there = db.session.scalars(select(User.id).order_by(User.id)).all()
    answer = desk.get("/admin/people/export.csv", buffered=False)
    text_ = ""
    for number, chunk in enumerate(answer.iter_encoded()):
        text_ += chunk.decode()
        elsewhere(lambda: joins(app, f"late{number}@example.com"))  # noqa: B023  # called at once
    answer.close()
    assert [int(line.split(",")[0]) for line in text_.splitlines()[1:]] == there


def test_what_only_reads_cannot_write(app: Flask) -> None:
    with app.test_request_context("/", method="GET"):
        db.session.add(Heartbeat(name="tick", at=NOON))
        with pytest.raises(OperationalError, match="readonly"):
            db.session.flush()
        db.session.rollback()
        with writing(db.session) as session:
            session.add(Heartbeat(name="tick", at=NOON))
        db.session.add(Heartbeat(name="sweep", at=NOON))
        with pytest.raises(OperationalError, match="readonly"):
            db.session.flush()
    with app.app_context():
        assert db.session.scalars(select(Heartbeat.name)).all() == ["tick"]
        db.session.add(Heartbeat(name="sweep", at=NOON))
        db.session.commit()


def test_contended_increments_lose_nothing_beside_readers(sqlite_app: Flask) -> None:
    """Read, then write, in one transaction, as the use cases do: none fails, and none is overwritten."""
    with sqlite_app.app_context():
        db.session.execute(text("CREATE TABLE counter (n INTEGER)"))
        db.session.execute(text("INSERT INTO counter VALUES (0)"))
        db.session.commit()
    errors: list[BaseException] = []

    def often(method: str) -> None:
        try:
            for _ in range(40):
                _count(sqlite_app, method)
        except OperationalError as error:
            errors.append(error)

    threads = [threading.Thread(target=often, args=[method]) for method in ["POST"] * 4 + ["GET"] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with sqlite_app.app_context():
        assert db.session.scalar(text("SELECT n FROM counter")) == 160


def _count(app: Flask, method: str) -> None:
    """Read the number; a POST writes the next one, in the same transaction."""
    with app.test_request_context("/signup", method=method):
        number = db.session.scalar(text("SELECT n FROM counter"))
        if method == "POST":
            db.session.execute(text("UPDATE counter SET n = :n"), {"n": (number or 0) + 1})
            db.session.commit()


def test_a_commit_of_the_application_is_on_the_disk(tmp_path: Path) -> None:
    """The engines of tests do not wait for the disk: `configure` is the application's own."""
    with closing(sqlite3.connect(tmp_path / "any.db")) as connection:
        quick.configure(connection, None)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
