"""Ids that stand in keys, tokens and the audit log are never given twice; the migration leaves all else as it was."""

from collections.abc import Callable
from pathlib import Path

import flask_migrate
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import create_engine, select, text

from notifier import resources
from notifier.accounts import erasure
from notifier.extensions import db
from notifier.models import Notification, User
from notifier.operators.audit_log import SYSTEM
from tests.conftest import make_user
from tests.support.campaigns import expand, make_campaign, make_people, start_run

KEYS = ["test-key-that-is-long-enough-for-everything"]
COUNTED = {
    "users", "notifications", "campaigns", "campaign_runs", "content_versions",
    "operators", "suppressions", "audit_entries",
}  # fmt: skip


def test_the_next_person_does_not_inherit_the_keys_of_the_newest_who_was_erased(context: Flask) -> None:
    """Or the campaign would take the next person for one who had its email."""
    make_people(2)
    run_id = start_run(make_campaign())
    expand(run_id)
    newest = db.session.scalars(select(Notification).order_by(Notification.id.desc())).first()
    assert newest is not None
    gone = newest.user_id
    erasure.erase(db.session(), db.session.get_one(User, gone), keys=KEYS, by=SYSTEM)
    db.session.commit()
    assert make_user("next@example.com").id > (gone or 0)


def test_the_models_ask_for_it_wherever_an_id_is_kept_elsewhere() -> None:
    asked = {table.name for table in db.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"]}
    assert asked == COUNTED


def schema(url: str) -> dict[str, str]:
    """Everything that SQLite knows, without white space and quotes."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    engine.dispose()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows}


def test_the_migration_keeps_rows_indexes_triggers_and_what_points_at_them(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    app = make_app(database_url=url)
    revision = ScriptDirectory(str(resources.migrations())).get_revision("0011")
    with app.app_context():
        flask_migrate.upgrade(revision=str(revision.down_revision))
        before = schema(url)
        with db.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO users (id, email, identity_key, display_name, locale, timezone, link_nonce, created_at) "
                "VALUES (7, 'a@b.example', 'a@b.example', '', 'en', 'UTC', 'n', '2026-01-01')"
            )
            connection.exec_driver_sql(
                "INSERT INTO activities (user_id, kind, actor, object_key, object_title, occurred_at) "
                "VALUES (7, 'like', 'Bo', '', '', '2026-01-01')"
            )
        flask_migrate.upgrade(revision="0011")
        with db.engine.begin() as connection:
            count = "SELECT (SELECT count(*) FROM activities WHERE user_id = 7), (SELECT count(*) FROM users)"
            assert connection.exec_driver_sql(count).one() == (1, 1)
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        db.engine.dispose()
    after = schema(url)
    assert set(before) <= set(after)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == COUNTED
    assert all("id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT" in after[name] for name in COUNTED)
