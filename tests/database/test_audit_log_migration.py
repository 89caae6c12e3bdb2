"""Migration 0015: entries from before lose their addresses, and the log is closed again afterwards."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from notifier.extensions import db
from notifier.models import AuditEntry
from tests.support.postgres import PostgresServer

ENTRY = text(
    "INSERT INTO audit_entries (at, operator_id, actor, ip, action, object_type, object_id, before, after) "
    "VALUES ('2026-11-20 12:00:00', :operator, :actor, '', 'people.exported', 'people', '', '{}', :after)"
)


@pytest.fixture(params=["sqlite", "postgres"])
def behind(request: pytest.FixtureRequest, make_app: Callable[..., Flask], tmp_path: Path) -> Iterator[Flask]:
    """An application whose database has the schema before."""
    if request.param == "sqlite":
        url, drop = f"sqlite:///{tmp_path / 'before.db'}", lambda: None
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        name = f"audit_{uuid4().hex[:8]}"
        url, drop = server.create_database(name), lambda: server.drop_database(name)
    app = make_app(database_url=url)
    with app.app_context():
        flask_migrate.upgrade(revision="0013")
        yield app
        db.session.remove()
        db.engine.dispose()
    drop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_old_entries_lose_their_addresses(behind: Flask) -> None:
    filters = json.dumps({"filter": {"email": "ada@example.com", "status": "sent"}, "rows": 3})
    db.session.execute(ENTRY, {"operator": 4, "actor": "op@example.com", "after": filters})
    db.session.execute(ENTRY, {"operator": None, "actor": "command line", "after": "{}"})
    db.session.commit()
    flask_migrate.upgrade()
    first, second = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert (first.actor, first.operator_id, second.actor) == ("operator 4", 4, "command line")
    assert first.after == {"filter": {"email": "<address>", "status": "sent"}, "rows": 3}
    with pytest.raises(DBAPIError, match="only ever added to"):
        db.session.execute(text("UPDATE audit_entries SET actor = 'x'"))
    db.session.rollback()
