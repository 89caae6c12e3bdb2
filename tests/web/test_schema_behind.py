"""/healthz and `health` while the schema of the database is not the one of the code."""

import pytest
from flask import Flask
from sqlalchemy import text

from notifier import clock
from notifier.extensions import db
from notifier.observability import healthcheck
from notifier.services import services_of
from tests.support.browse import Visitor


@pytest.fixture
def heads(context: Flask) -> str:
    """The newest version that the code knows."""
    return str(db.session.scalar(text("SELECT version_num FROM alembic_version")))


def set_version(version: str | None) -> None:
    db.session.execute(text("DELETE FROM alembic_version"))
    if version is not None:
        db.session.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})
    db.session.commit()


@pytest.fixture
def versions(heads: str) -> object:
    """Puts the version back: on Postgres the database is shared."""
    yield
    db.session.rollback()
    set_version(heads)


@pytest.mark.usefixtures("versions")
def test_health_is_503_with_one_line_while_the_schema_is_behind(context: Flask, heads: str) -> None:
    set_version("0001")
    answer = Visitor(context).get("/healthz")
    assert answer.status_code == 503
    assert answer.text.count("\n") <= 1
    assert answer.json is not None
    assert answer.json["schema"] == "behind"
    assert "0001" in answer.json["detail"]
    assert heads in answer.json["detail"]
    assert "notifier db upgrade" in answer.json["detail"]


@pytest.mark.usefixtures("versions")
def test_health_is_503_while_there_is_no_schema(context: Flask) -> None:
    set_version(None)
    answer = Visitor(context).get("/healthz")
    assert (answer.status_code, (answer.json or {}).get("schema")) == (503, "behind")


@pytest.mark.usefixtures("versions")
def test_the_code_before_an_upgrade_goes_on_beside_the_new_one(context: Flask) -> None:
    set_version("9999")
    answer = Visitor(context).get("/healthz")
    assert (answer.status_code, (answer.json or {}).get("schema")) == (200, "ok")


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(("version", "ok"), [("0001", False), ("9999", True)])
def test_the_health_command_knows_the_schema(context: Flask, version: str, ok: bool) -> None:
    set_version(version)
    found = healthcheck.examine(db.session(), clock.now(), services_of(context).schema)
    (schema,) = [each for each in found if each.name == "schema"]
    assert schema.ok is ok
    assert version in schema.detail
