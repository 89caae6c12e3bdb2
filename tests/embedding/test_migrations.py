"""Our migrations in another application's own: both take effect together, and neither changes the other's names."""

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import alembic.op
import pytest
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from notifier import migrations, resources
from notifier.database import sqlite
from notifier.database.base import VERSION_TABLE
from notifier.database.schema import UPGRADE_LOCK
from tests.support.host_migrations import (
    OUR_FIRST,
    OUR_SECOND,
    OURS,
    OURS_BACK,
    SECOND,
    SHOP,
    Host,
    a_host,
    execute,
    newest,
    two_migrations,
    version,
)
from tests.support.tables import schema

ADA = (
    "INSERT INTO notifier_users (external_id, email, identity_key, display_name, locale, timezone, link_nonce, "
    "created_at) VALUES ('7', 'a@b.c', 'a@b.c', '', 'en', 'UTC', 'n', '2026-01-01')"
)
LIKE = (
    "INSERT INTO notifier_activities (id, user_id, kind, actor, object_key, object_title, occurred_at) "
    "VALUES (1, 1, 'like', 'B', 'p', 'P', '2026-01-01')"
)


@pytest.fixture
def host(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Host]:
    """An application with an empty database."""
    with a_host(request, database_url, tmp_path) as made:
        yield made


@pytest.fixture
def two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notifier with one migration more."""
    folder = two_migrations(tmp_path / "ours")
    monkeypatch.setattr(resources, "migrations", lambda: folder)


def tables(host: Host) -> set[str]:
    return set(inspect(host.engine).get_table_names())


def make_newer(host: Host) -> None:
    """As if a newer notifier had made its tables."""
    execute(host, f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32))")
    execute(host, f"INSERT INTO {VERSION_TABLE} VALUES ('0815')")


def only_on(host: Host, database: str) -> None:
    if host.engine.dialect.name != database:
        pytest.skip(f"of {database}")


def test_the_tables_are_those_of_notifier_db_upgrade(host: Host, database_url: str) -> None:
    host.revise(OURS)
    host.upgrade()
    ours = create_engine(database_url)
    expected = schema(ours)
    ours.dispose()
    assert len(expected) > 50
    assert {each for each in schema(host.engine) if each[1] != "alembic_version"} == expected
    assert (version(host), version(host, "alembic_version")) == ([newest()], ["host1"])


def test_a_revision_goes_on_as_the_hosts_after_ours(host: Host) -> None:
    host.revise(
        f"{SHOP.format('orders')}\n{OURS}\n{SHOP.format('parcels')}\n"
        'assert op.get_context().opts["target_metadata"].naming_convention["ck"].startswith("check_")\n'
        'op.create_index(op.f("parcels_id"), "parcels", ["id"])'
    )
    host.upgrade()
    found = inspect(host.engine)
    for table in ("orders", "parcels"):
        assert [each["name"] for each in found.get_check_constraints(table)] == [f"check_{table}_plus"]
        assert found.get_pk_constraint(table)["name"] == f"primary_{table}"
    assert [each["name"] for each in found.get_indexes("parcels")] == ["parcels_id"]
    assert found.get_pk_constraint("notifier_activities")["name"] == "pk_notifier_activities"


def test_the_proxy_is_the_hosts_after_an_error_too(host: Host) -> None:
    make_newer(host)
    host.revise(
        f"before = op.get_context()\ntry:\n    {OURS}\nexcept notifier_migrations.MigrationRefused:\n    pass\n"
        f"assert op.get_context() is before\nop.execute('DELETE FROM {VERSION_TABLE}')\n"
        f"{OURS}\nassert op.get_context() is before"
    )
    host.upgrade()
    assert "notifier_users" in tables(host)
    assert getattr(alembic.op, "_proxy", None) is None


def test_a_failure_after_ours_takes_both_back(host: Host) -> None:
    only_on(host, "postgresql")  # SQLite commits each change of a table.
    host.revise(f"{SHOP.format('orders')}\n{OURS}\nop.execute('SELECT 1 / 0')")
    with pytest.raises(DBAPIError, match="division by zero"):
        host.upgrade()
    assert tables(host) == set()


def test_a_failure_in_ours_takes_both_back(host: Host) -> None:
    only_on(host, "postgresql")  # SQLite commits each change of a table.
    execute(host, "CREATE TABLE notifier_users (id INTEGER)")
    host.revise(f"{SHOP.format('orders')}\n{OURS}")
    with pytest.raises(DBAPIError, match="already exists"):
        host.upgrade()
    assert tables(host) == {"notifier_users"}


def test_two_upgrades_take_turns(host: Host) -> None:
    only_on(host, "postgresql")
    host.revise(f"op.execute(\"SET LOCAL lock_timeout = '50ms'\")\n{OURS}")
    with host.engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        with pytest.raises(DBAPIError, match="lock timeout"):
            host.upgrade()
    host.upgrade()
    assert version(host) == [newest()]


@pytest.mark.usefixtures("two_steps")
def test_two_steps_and_back(host: Host) -> None:
    host.revise(OUR_FIRST, OURS_BACK)
    host.revise(OUR_SECOND, 'notifier_migrations.downgrade(op, to="0001")')
    host.upgrade("host1")
    first = schema(host.engine)
    execute(host, ADA, LIKE)
    host.upgrade()
    assert version(host) == [SECOND]
    checks = {each["name"] for each in inspect(host.engine).get_check_constraints("notifier_users")}
    assert checks == {"ck_notifier_users_external_id", "ck_notifier_users_erased", "ck_notifier_users_another"}
    host.downgrade("host1")
    assert version(host) == ["0001"]
    if (
        host.engine.dialect.name == "postgresql"
    ):  # SQLite keeps the table that the batch made, which is written otherwise
        assert schema(host.engine) == first
    with host.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM notifier_activities")).scalar() == 1
    host.downgrade("base")
    assert tables(host) == {VERSION_TABLE, "alembic_version"}
    assert version(host) == []


@pytest.mark.usefixtures("two_steps")
def test_head_takes_all_steps_and_later_revisions_find_them_done(host: Host) -> None:
    host.revise(OURS)
    host.revise(OUR_FIRST, f'notifier_migrations.downgrade(op, to="{SECOND}")')
    host.upgrade()
    assert version(host) == [SECOND]
    host.downgrade("host1")
    assert version(host) == [SECOND]


@pytest.mark.usefixtures("two_steps")
def test_a_downgrade_to_a_version_that_is_not_reached_changes_nothing(host: Host) -> None:
    host.revise(OUR_FIRST)
    host.revise("pass", f'notifier_migrations.downgrade(op, to="{SECOND}")')
    host.upgrade()
    host.downgrade("host1")
    assert version(host) == ["0001"]


def test_a_downgrade_of_nothing_changes_nothing(host: Host) -> None:
    host.revise("pass", 'notifier_migrations.downgrade(op, to="0001")')
    host.revise("pass", OURS_BACK)
    host.upgrade()
    host.downgrade("base")
    assert tables(host) - {VERSION_TABLE, "alembic_version"} == set()


@pytest.mark.parametrize("to", ["+1", "0815", "00", "base"])
def test_a_version_that_is_not_ours_is_refused(host: Host, to: str) -> None:
    host.revise(f"notifier_migrations.upgrade(op, to={to!r})")
    with pytest.raises(CommandError) as refused:
        host.upgrade()
    assert str(refused.value) == (
        f"notifier has no migration '{to}', its newest is {newest()}: correct the revision, or install the notifier "
        "that it was written for"
    )
    assert tables(host) <= {"alembic_version"}


def test_tables_of_a_newer_notifier_are_refused(host: Host) -> None:
    make_newer(host)
    host.revise(OURS)
    with pytest.raises(migrations.MigrationRefused, match="at version 0815, which this notifier does not know"):
        host.upgrade()
    assert tables(host) <= {VERSION_TABLE, "alembic_version"}


def test_sql_is_refused(host: Host) -> None:
    host.revise(OURS)
    with pytest.raises(migrations.MigrationRefused) as refused:
        host.upgrade(sql=True)
    assert str(refused.value) == "notifier's migrations look at the database: run this revision without --sql"
    assert "notifier_" not in host.printed.getvalue()


def foreign_keys_on(engine: Engine) -> None:
    """As an application has it that switches them on and leaves the transactions to the driver."""
    event.listen(engine, "connect", lambda driver, _record: driver.execute("PRAGMA foreign_keys = ON"))


@pytest.mark.usefixtures("two_steps")
@pytest.mark.parametrize("prepare", [foreign_keys_on, sqlite.prepare])
def test_sqlite_must_not_delete_what_references_an_altered_table(host: Host, prepare: Callable[[Engine], None]) -> None:
    only_on(host, "sqlite")  # Postgres alters tables in place.
    prepare(host.engine)
    host.revise(OUR_FIRST)
    host.revise(OUR_SECOND)
    host.upgrade("host1")
    execute(host, ADA, LIKE)
    with pytest.raises(migrations.MigrationRefused, match=r"in the env.py .* notifier\.migrations\.foreign_keys_off"):
        host.upgrade()
    assert version(host) == ["0001"]
    host.around = migrations.foreign_keys_off
    host.upgrade()
    assert version(host) == [SECOND]
    with host.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM notifier_activities")).scalar() == 1


def test_alembic_has_the_private_names_that_we_use() -> None:
    """They have no public counterpart. If a version drops one, `dependencies` in pyproject.toml must exclude it."""
    for owner, names in {
        Operations: {"_install_proxy": ["self"], "_remove_proxy": ["self"]},
        ScriptDirectory: {
            "_upgrade_revs": ["self", "destination", "current_rev"],
            "_downgrade_revs": ["self", "destination", "current_rev"],
        },
    }.items():
        for name, parameters in names.items():
            assert list(signature(getattr(owner, name)).parameters) == parameters, f"{owner.__name__}.{name}"
