"""Autogenerate of another application sees its own tables, and not ours."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Column, Integer, MetaData, Table

from notifier import migrations
from notifier.database.base import VERSION_TABLE, Base
from tests.support.host_migrations import CONVENTION, OURS, SHOP, Host, a_host, execute, newest, version


@pytest.fixture
def host(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Host]:
    """An application with an empty database."""
    with a_host(request, database_url, tmp_path) as made:
        yield made


def test_autogenerate_sees_the_hosts_tables_and_not_ours(host: Host) -> None:
    host.revise(f"{OURS}\n{SHOP.format('notifier_x')}\n{SHOP.format('orders')}")
    host.upgrade()
    Table("wishes", host.metadata, Column("id", Integer, primary_key=True))
    expected = {("remove_table", "notifier_x"), ("remove_table", "orders"), ("add_table", "wishes")}
    assert host.differences(include_name=migrations.include_name) == expected
    without = host.differences()
    assert without == expected | {("remove_table", name) for name in {*Base.metadata.tables, VERSION_TABLE}}


def test_a_table_of_another_schema_is_the_hosts(host: Host) -> None:
    if host.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no schemas")
    host.revise(OURS)
    host.upgrade()
    execute(host, "CREATE SCHEMA crm", "CREATE TABLE crm.notifier_users (id INTEGER)")
    found = host.differences(include_name=migrations.include_name, include_schemas=True)
    assert found == {("remove_table", "notifier_users")}


#: Of Flask-Migrate's own env.py.
@pytest.mark.filterwarnings("ignore:'get_engine' is deprecated")
@pytest.mark.parametrize(("options", "agrees"), [({"include_name": migrations.include_name}, True), ({}, False)])
def test_flask_migrate_takes_the_filter(host: Host, tmp_path: Path, options: dict[str, Any], agrees: bool) -> None:
    folder = tmp_path / "flask"
    app, db = Flask("shop"), SQLAlchemy(metadata=MetaData(naming_convention=CONVENTION))
    app.config["SQLALCHEMY_DATABASE_URI"] = host.engine.url
    db.init_app(app)
    Migrate(app, db, directory=str(folder), **options)
    with app.app_context():
        flask_migrate.init()
        environment = folder / "env.py"
        # It would configure the logging of this process, for later tests too.
        environment.write_text(environment.read_text().replace("fileConfig(config.config_file_name)", ""))
        flask_migrate.revision(rev_id="1")
        revision = folder / "versions" / "1_.py"
        revision.write_text(
            "import notifier.migrations\n"
            + revision.read_text().replace("pass", OURS.replace("notifier_", "notifier.", 1), 1)
        )
        flask_migrate.upgrade()
        with nullcontext() if agrees else pytest.raises(SystemExit):
            flask_migrate.check()
        db.engine.dispose()
    assert version(host) == [newest()]
